import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type ConnectionError,
  type GuardOptions,
  guard,
  type Listener,
  REQUEST_TIMEOUT_MS,
  type Signal,
  type Wire,
} from '../src/connection.ts'
import { type Element, element, ns } from '../src/element.ts'
import { parse } from '../src/parse.ts'
import { StanzaError, stanzaErrorOf } from '../src/stanza-error.ts'

const client = ns('jabber:client')
const ping = element('urn:xmpp:ping', 'ping')

/** A host library of two lists, and a clock that is moved by hand. */
function host(jid: string | undefined = 'me@example.org/phone') {
  const listeners = new Set<Listener>()
  const timers = new Map<() => void, number>()
  const sent: Element[] = []
  let drawn = 0
  const wire: Wire & { jid: string | undefined } = {
    jid,
    send: async (stanza) => {
      sent.push(stanza)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const options: GuardOptions = {
    random: (length) => new Uint8Array(length).fill(++drawn),
    clock: {
      after(ms, run) {
        timers.set(run, ms)
        return () => timers.delete(run)
      },
    },
  }
  return {
    wire,
    options,
    sent,
    listeners,
    timers,
    connection: guard(wire, options),
    arrive: (stanza: Element) => {
      for (const { stanza: heard } of [...listeners]) heard?.(stanza)
    },
    session: (state: 'new' | 'resumed' | 'lost') => {
      for (const { session } of [...listeners]) session?.(state)
    },
    last: () => sent.at(-1)?.attrs.id ?? '',
  }
}

/** What became of a promise once everything that can run has run. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  const settled = promise.then(
    (value) => value,
    (error: unknown) => error,
  )
  let turns: Promise<unknown> = Promise.resolve()
  for (let i = 0; i < 10; i++) turns = turns.then(() => undefined)
  return Promise.race([settled, turns.then(() => 'pending')])
}

const get = (to?: string) => client('iq', { type: 'get', to, id: 'chosen' }, ping)
const result = (id: string, from?: string) => client('iq', { type: 'result', id, from })

describe('RFC 6120 §8.2.3, §10.3: whose reply it is', () => {
  const [account, server, full] = ['me@example.org', 'example.org', 'me@example.org/phone']
  const romeo = 'romeo@montague.example'
  test.each<[to: string | undefined, yes: (string | undefined)[], no: (string | undefined)[]]>([
    [undefined, [undefined, account, server, 'ME@Example.Org'], [full, romeo, 'example.com', '@', '']],
    [account, [undefined, account, server], [full, `${account}/other`, romeo]],
    [server, [undefined, account, server, 'example.org.'], [full, romeo, 'sub.example.org']],
    [
      romeo,
      [romeo, 'Romeo@Montague.example'],
      [undefined, `${romeo}/x`, account, server, 'montague.example'],
    ],
    [`${romeo}/a`, [`${romeo}/a`], [romeo, `${romeo}/A`, `${romeo}/b`, undefined, account]],
    ['montague.example', ['montague.example'], [undefined, romeo, server, account]],
    [`${account}/other`, [`${account}/other`], [undefined, account, server, full]],
  ])('to %s', async (to, yes, no) => {
    for (const from of yes) {
      const { connection, arrive, last } = host()
      const reply = connection.request(get(to))
      arrive(result(last(), from))
      expect(await outcome(reply)).toEqual(result(last(), from))
    }
    for (const from of no) {
      const { connection, arrive, last } = host()
      const reply = connection.request(get(to))
      arrive(result(last(), from))
      expect(await outcome(reply)).toBe('pending')
      // A forged reply does not use up the request.
      arrive(result(last(), yes[0]))
      expect(await outcome(reply)).toEqual(result(last(), yes[0]))
    }
  })

  test('before a JID is bound, only a reply without from', async () => {
    const { connection, wire, arrive, last } = host()
    wire.jid = undefined
    const reply = connection.request(get())
    arrive(result(last(), 'me@example.org'))
    expect(await outcome(reply)).toBe('pending')
    arrive(result(last()))
    expect(await outcome(reply)).toEqual(result(last()))
    expect(connection.jid).toBeUndefined()
  })

  test('the id is drawn, not the one of the caller, and everything else is sent unchanged', async () => {
    const { connection, sent, arrive } = host()
    const reply = connection.request(get('romeo@montague.example'))
    expect(sent).toEqual([
      client('iq', { type: 'get', to: 'romeo@montague.example', id: '01'.repeat(16) }, ping),
    ])
    arrive(result('chosen', 'romeo@montague.example'))
    expect(await outcome(reply)).toBe('pending')
  })

  test.each<[string, (id: string) => Element]>([
    ['a message with the id', (id) => client('message', { type: 'result', id })],
    ['an iq of another namespace', (id) => element('jabber:server', 'iq', { type: 'result', id })],
    ['an iq of type get', (id) => client('iq', { type: 'get', id }, ping)],
    ['an iq of type set', (id) => client('iq', { type: 'set', id }, ping)],
    ['an iq without type', (id) => client('iq', { id })],
    ['an iq without id', () => client('iq', { type: 'result' })],
  ])('no reply: %s', async (_name, stanza) => {
    const { connection, arrive, last } = host()
    const reply = connection.request(get())
    arrive(stanza(last()))
    expect(await outcome(reply)).toBe('pending')
  })

  test('any number of requests, answered in any order, each get their own reply', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }), async (order) => {
        const { connection, arrive, sent, listeners, timers } = host()
        const replies = order.map((_, i) => connection.request(get(`a${i}@example.net`)))
        for (const i of order) arrive(result(sent[i]?.attrs.id ?? '', `a${i}@example.net`))
        const found = await Promise.all(replies)
        expect(found.map((iq) => iq.attrs.from)).toEqual(order.map((_, i) => `a${i}@example.net`))
        expect(listeners.size).toBe(0)
        expect(timers.size).toBe(0)
      }),
      { numRuns: 20, seed: 6120 },
    )
  })

  test('guarding what is guarded changes nothing', async () => {
    const { connection, options, arrive, last } = host()
    const reply = guard(connection, options).request(get())
    arrive(result(last()))
    expect(await outcome(reply)).toEqual(result(last()))
  })

  test('under an own address that is no JID: only what has no sender, and whom was asked', async () => {
    const { connection, arrive, last } = host('me@example.org/\u200b\u0378')
    const own = connection.request(client('iq', { type: 'get' }, ping))
    const id = last()
    arrive(client('iq', { type: 'result', id, from: 'me@example.org' }))
    expect(await outcome(own)).toBe('pending')
    arrive(client('iq', { type: 'result', id }))
    expect(await outcome(own)).toMatchObject({ attrs: { id } })
    const other = connection.request(client('iq', { type: 'get', to: 'x@example.org' }, ping))
    arrive(client('iq', { type: 'result', id: last(), from: 'x@example.org' }))
    expect(await outcome(other)).toMatchObject({ attrs: { from: 'x@example.org' } })
  })
})

describe('RFC 6120 §8.3: errors', () => {
  const error = (inner: string) =>
    parse(`<iq xmlns='jabber:client' type='error' from='romeo@montague.example'>${inner}</iq>`)
  const STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas'
  test.each([
    [
      'the condition',
      `<error type='cancel'><item-not-found xmlns='${STANZAS}'/></error>`,
      'cancel',
      'item-not-found',
      [],
    ],
    [
      'text is no condition',
      `<error type='wait'><text xmlns='${STANZAS}'>x</text><not-allowed xmlns='${STANZAS}'/></error>`,
      'wait',
      'not-allowed',
      [],
    ],
    [
      '§8.3.4: application-specific, last',
      `<error type='cancel'><conflict xmlns='${STANZAS}'/><p xmlns='urn:p'/></error>`,
      'cancel',
      'conflict',
      ['p'],
    ],
    [
      '§8.3.4: application-specific, first',
      `<error type='cancel'><p xmlns='urn:p'/><conflict xmlns='${STANZAS}'/></error>`,
      'cancel',
      'conflict',
      ['p'],
    ],
    ['of no known type', `<error type='x'><conflict xmlns='${STANZAS}'/></error>`, 'cancel', 'conflict', []],
    ['without condition', "<error type='auth'/>", 'auth', 'undefined-condition', []],
    ['without error', "<ping xmlns='urn:xmpp:ping'/>", 'cancel', 'undefined-condition', []],
    [
      'an error of another namespace',
      `<error xmlns='urn:x' type='auth'><conflict xmlns='${STANZAS}'/></error>`,
      'cancel',
      'undefined-condition',
      [],
    ],
  ] as const)('%s', async (_name, inner, type, condition, details) => {
    const { connection, arrive, last } = host()
    const reply = connection.request(get('romeo@montague.example'))
    const stanza = { ...error(inner), attrs: { ...error(inner).attrs, id: last() } }
    arrive(stanza)
    const found = await outcome(reply)
    expect(found).toBeInstanceOf(StanzaError)
    expect(found).toMatchObject({ type, condition, stanza })
    expect((found as StanzaError).details.map((el) => el.name)).toEqual(details)
    expect(stanzaErrorOf(stanza)).toEqual(found)
  })

  test('an error of somebody else is no reply', async () => {
    const { connection, arrive, last } = host()
    const reply = connection.request(get('juliet@capulet.example'))
    const spoofed = error('<error/>')
    arrive({ ...spoofed, attrs: { ...spoofed.attrs, id: last() } })
    expect(await outcome(reply)).toBe('pending')
  })
})

describe('no reply', () => {
  const code = (found: unknown) => (found as ConnectionError).code

  test('timeout: after REQUEST_TIMEOUT_MS, or what is asked for', async () => {
    for (const [timeoutMs, expected] of [
      [undefined, REQUEST_TIMEOUT_MS],
      [5, 5],
    ]) {
      const { connection, timers, listeners, arrive, last } = host()
      const reply = connection.request(get(), timeoutMs === undefined ? {} : { timeoutMs })
      expect([...timers.values()]).toEqual([expected])
      for (const run of [...timers.keys()]) run()
      expect(code(await outcome(reply))).toBe('timeout')
      expect(listeners.size).toBe(0)
      arrive(result(last()))
    }
  })

  test.each(['new', 'lost'] as const)('the session is %s', async (state) => {
    const { connection, session, timers, listeners } = host()
    const replies = [connection.request(get()), connection.request(get('romeo@montague.example'))]
    session(state)
    for (const reply of replies) expect(code(await outcome(reply))).toBe('lost')
    expect([timers.size, listeners.size]).toEqual([0, 0])
  })

  test('a resumed session loses nothing (XEP-0198)', async () => {
    const { connection, session, arrive, last } = host()
    const reply = connection.request(get())
    session('resumed')
    expect(await outcome(reply)).toBe('pending')
    arrive(result(last()))
    expect(await outcome(reply)).toEqual(result(last()))
  })

  test('not sent', async () => {
    for (const send of [
      () => Promise.reject(new Error('offline')),
      () => {
        throw new Error('offline')
      },
    ]) {
      const { wire, options, timers, listeners } = host()
      const found = await outcome(guard({ ...wire, send }, options).request(get()))
      expect(code(found)).toBe('lost')
      expect((found as Error).cause).toEqual(new Error('offline'))
      expect([timers.size, listeners.size]).toEqual([0, 0])
    }
  })

  test('aborted, before and after', async () => {
    const controller = new AbortController()
    const signal: Signal = controller.signal
    const { connection, sent, timers, listeners } = host()
    const reply = connection.request(get(), { signal })
    controller.abort('enough')
    const found = await outcome(reply)
    expect(code(found)).toBe('aborted')
    expect((found as Error).cause).toBe('enough')
    expect([timers.size, listeners.size]).toEqual([0, 0])
    expect(code(await outcome(connection.request(get(), { signal })))).toBe('aborted')
    expect(sent).toHaveLength(1)
  })

  test('a settled request leaves the signal alone', async () => {
    const added = new Set<() => void>()
    const signal: Signal = {
      aborted: false,
      addEventListener: (_type, listener) => added.add(listener),
      removeEventListener: (_type, listener) => added.delete(listener),
    }
    const { connection, arrive, last } = host()
    const reply = connection.request(get(), { signal })
    expect(added.size).toBe(1)
    arrive(result(last()))
    await reply
    expect(added.size).toBe(0)
  })

  test("the caller's mistakes", async () => {
    const { connection, wire, options, sent } = host()
    const wrong = [client('message'), client('iq', { type: 'result' }), client('iq'), get('@')]
    for (const iq of wrong) expect(await outcome(connection.request(iq))).toBeInstanceOf(TypeError)
    const short = guard(wire, { ...options, random: () => new Uint8Array(15) })
    expect(await outcome(short.request(get()))).toBeInstanceOf(RangeError)
    const constant = guard(wire, { ...options, random: (length) => new Uint8Array(length) })
    const first = constant.request(get())
    expect(await outcome(constant.request(get()))).toBeInstanceOf(RangeError)
    expect(await outcome(first)).toBe('pending')
    expect(sent).toHaveLength(1)
  })
})

describe('answer', () => {
  const asked = (type = 'get', payload = ping) =>
    client('iq', { type, id: 'q1', from: 'romeo@montague.example/a', to: 'me@example.org/phone' }, payload)
  const turn = () => outcome(new Promise(() => {}))

  test('sends the reply to who asked, with the id of the request', async () => {
    const { connection, arrive, sent } = host()
    const payload = element('urn:xmpp:ping', 'pong')
    connection.answer('urn:xmpp:ping', async () =>
      client('iq', { type: 'set', id: 'other', to: 'juliet@capulet.example', from: 'x' }, payload),
    )
    arrive(asked())
    await turn()
    expect(sent).toEqual([
      client('iq', { type: 'result', id: 'q1', to: 'romeo@montague.example/a' }, payload),
    ])
  })

  test('only for requests in its namespace, and until it is stopped', async () => {
    const { connection, arrive, sent } = host()
    const heard: Element[] = []
    const stop = connection.answer('urn:xmpp:ping', (iq) => {
      heard.push(iq)
      return undefined
    })
    arrive(asked('set'))
    arrive(asked('result'))
    arrive(asked('get', element('urn:x', 'ping')))
    arrive(client('message', { type: 'get' }, ping))
    arrive(element('jabber:server', 'iq', { type: 'get', id: 'q1' }, ping))
    arrive(element('urn:x', 'iq', { type: 'get', id: 'q1' }, ping))
    arrive(client('iq', { type: 'get', id: 'q1' }))
    expect(heard).toEqual([asked('set')])
    stop()
    arrive(asked())
    await turn()
    expect([heard.length, sent.length]).toEqual([1, 0])
  })

  test.each<[string, unknown, string, string]>([
    ['a StanzaError', new StanzaError(ping, 'modify', 'item-not-found'), 'modify', 'item-not-found'],
    ['anything else', new Error('secret'), 'cancel', 'internal-server-error'],
  ])('refuses with %s', async (_name, error, type, condition) => {
    const { connection, arrive, sent } = host()
    connection.answer('urn:xmpp:ping', () => Promise.reject(error))
    arrive(asked())
    await turn()
    const found = stanzaErrorOf(sent[0] ?? ping)
    expect(sent[0]?.attrs).toEqual({ type: 'error', id: 'q1', to: 'romeo@montague.example/a' })
    expect(found).toMatchObject({ type, condition })
    expect(JSON.stringify(sent)).not.toContain('secret')
  })

  test.each<[string, () => Promise<Element>, string, string]>([
    [
      'a StanzaError',
      () => {
        throw new StanzaError(ping, 'auth', 'forbidden')
      },
      'auth',
      'forbidden',
    ],
    [
      'anything else',
      () => {
        throw new Error('secret')
      },
      'cancel',
      'internal-server-error',
    ],
    ['no element', () => Promise.resolve(undefined as never), 'cancel', 'internal-server-error'],
  ])(
    'RFC 6120 §8.3: a handler that throws refuses, and no other listener notices: %s',
    async (_name, respond, type, condition) => {
      const { connection, arrive, sent } = host()
      connection.answer('urn:xmpp:ping', respond)
      const others: Element[] = []
      connection.subscribe({ stanza: (stanza) => others.push(stanza) })
      expect(() => arrive(asked())).not.toThrow()
      expect(others).toHaveLength(1)
      await turn()
      expect(sent).toHaveLength(1)
      expect(stanzaErrorOf(sent[0] ?? ping)).toMatchObject({ type, condition })
      expect(JSON.stringify(sent)).not.toContain('secret')
    },
  )

  test('a reply that cannot be sent is lost, quietly', async () => {
    const { wire, options, arrive } = host()
    const connection = guard({ ...wire, send: () => Promise.reject(new Error('offline')) }, options)
    connection.answer('urn:xmpp:ping', async () => client('iq'))
    arrive(asked())
    await turn()
  })
})

describe('mistakes of the caller', () => {
  test('what has no default is missed when the connection is made', () => {
    const { wire, options } = host()
    const wrong: [object | undefined, string][] = [
      [undefined, 'connection: expected `random`'],
      [{ clock: options.clock }, 'connection: expected `random`'],
      [{ random: options.random }, 'connection: expected `clock.after`'],
      [{ random: options.random, clock: {} }, 'connection: expected `clock.after`'],
    ]
    for (const [given, message] of wrong)
      expect(() => guard(wire, given as GuardOptions)).toThrow(new TypeError(message))
  })

  test.each([
    ['a name alone', { name: 'message' }],
    ['an element of ltx', { name: 'iq', attrs: { type: 'get' }, children: [], parent: null }],
    ['an element of a DOM', { tagName: 'iq', attributes: {}, children: {} }],
    ['nothing', undefined],
    ['text', '<message/>'],
  ])('%s is no Element', async (_, given) => {
    const { connection, sent } = host()
    const stanza = given as Partial<Element> as Element
    await expect(connection.send(stanza)).rejects.toThrow(new TypeError('send: expected an Element'))
    await expect(connection.request(stanza)).rejects.toThrow(new TypeError('request: expected an Element'))
    expect(sent).toEqual([])
  })
})
