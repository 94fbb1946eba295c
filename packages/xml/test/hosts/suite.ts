import { afterEach, describe, expect, test } from 'vitest'
import type { Connection, ConnectionError, GuardOptions } from '../../src/connection.ts'
import { element, ns } from '../../src/element.ts'
import { parse } from '../../src/parse.ts'
import { StanzaError, stanzaErrorOf } from '../../src/stanza-error.ts'
import { deep } from '../trees.ts'
import { type ScriptedServer, type ServerOptions, type Stream, startServer } from './server.ts'

/** A client of a host library that is not connected yet. */
export interface HostClient {
  readonly connection: Connection
  connect(): void
  /** Connects again after a loss, unless the library does so by itself. */
  reconnect(): void
  /** Ends the session for good. */
  stop(): void
  /** Whether the library knows that the stream is gone. */
  hasNoticed(): boolean
  /** Closes its socket without telling the library. */
  closeSocket(): void
}

export type MakeClient = (url: string, options: GuardOptions) => HostClient

const client = ns('jabber:client')
const ping = element('urn:xmpp:ping', 'ping')
const get = (to?: string) => client('iq', { type: 'get', to }, ping)
const note = (text: string) =>
  client('message', { to: 'romeo@example.org', id: text }, client('body', {}, text))

/** Of everything that converters could lose. */
const MESSAGE = parse(
  `<message xmlns='jabber:client' xmlns:p='urn:p' from='romeo@example.org/x' to='me@example.org' id='m' type='chat' xml:lang='en' p:mark=' "1" &apos;&lt;&amp;'>` +
    "<a xmlns='urn:a'>one<b/>two<c xmlns='urn:c' p:d=''>three &amp; &lt;four></c>\n five  <b xml:lang='de'>😀]]&gt;</b></a>" +
    "<body>fall back</body><a xmlns='urn:a'/><plain xmlns=''><inner/></plain>" +
    "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='x@example.org'><body>inside</body></message></forwarded></message>",
)

/** A clock that is moved by hand, and bytes that do not repeat. */
export function guardOptions() {
  const timers = new Set<() => void>()
  let drawn = 0
  const options: GuardOptions = {
    random: (length) => new Uint8Array(length).fill(++drawn),
    clock: {
      after(_ms, run) {
        timers.add(run)
        return () => timers.delete(run)
      },
    },
  }
  return { options, timers }
}

const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => 'resolved',
    (error: ConnectionError) => error.code,
  )

/** What every adapter promises, with the real library and a server on loopback. */
export function hostSuite(make: MakeClient, framing: ServerOptions['framing'] = 'websocket'): void {
  const running: { server: ScriptedServer; host: HostClient }[] = []
  afterEach(async () => {
    for (const { server, host } of running.splice(0)) {
      host.stop()
      await server.stop()
    }
  })

  async function start(o: ServerOptions = {}) {
    const server = await startServer({ framing, ...o })
    const { options, timers } = guardOptions()
    const host = make(server.url, options)
    running.push({ server, host })
    const states: string[] = []
    const waiting: (() => void)[] = []
    const heard: string[] = []
    host.connection.subscribe({
      stanza: ({ attrs }) => heard.push(attrs.id ?? ''),
      session(state) {
        states.push(state)
        for (const wake of waiting.splice(0)) wake()
      },
    })
    /** Resolves as soon as so many states have been told. */
    const told = async (count: number) => {
      while (states.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
      return states
    }
    host.connect()
    const stream = await server.session()
    await told(1)
    await settled(stream, host.connection)
    return { ...host, server, stream, states, told, heard, timers }
  }

  /** Everything before it has been processed by both sides. */
  async function settled(stream: Stream, connection: Connection) {
    const seen: string[] = []
    const request = connection.request(get('settled.example.org'))
    for (;;) {
      const el = await stream.next()
      if (el.attrs.to === 'settled.example.org') {
        stream.send(client('iq', { type: 'result', id: el.attrs.id, from: 'settled.example.org' }))
        await request
        return seen
      }
      seen.push(`${el.attrs.type ?? ''} ${el.attrs.id ?? ''}`)
    }
  }

  describe('Connection.send', () => {
    test('writes what it was given, and what comes in is as it was sent', async () => {
      const { connection, stream } = await start()
      const { from, ...attrs } = MESSAGE.attrs
      const ours = element(MESSAGE.ns, MESSAGE.name, attrs, MESSAGE.children)
      await connection.send(ours)
      expect(from).toBeDefined()
      expect(await stream.next()).toEqual(ours)
      const arrived = new Promise((resolve) => connection.subscribe({ stanza: resolve }))
      stream.send(MESSAGE)
      expect(await arrived).toEqual(MESSAGE)
    })

    test('rejects before there is a session, without a stream, and afterwards: nothing is queued', async () => {
      const { server, connection, stream, told, stop, reconnect, hasNoticed } = await start()
      stream.drop()
      while (!hasNoticed()) await new Promise(setImmediate)
      expect(await outcome(connection.send(note('dropped')))).toBe('lost')
      expect(await outcome(connection.request(get()))).toBe('lost')
      reconnect()
      const next = await server.session()
      expect(await told(2)).toEqual(['new', 'resumed'])
      await connection.send(note('after'))
      expect(await settled(next, connection)).toEqual([' after'])
      stop()
      expect(await told(3)).toEqual(['new', 'resumed', 'lost'])
      expect(await outcome(connection.send(note('stopped')))).toBe('lost')
    })

    test('rejects when the socket is closing, and does not write it later', async () => {
      const { server, connection, closeSocket, reconnect, told } = await start()
      closeSocket()
      expect(await outcome(connection.send(note('closing')))).toBe('lost')
      reconnect()
      const next = await server.session()
      await told(2)
      expect(await settled(next, connection)).toEqual([])
    })
  })

  test('rejects before anything is connected', async () => {
    const { connection } = make('ws://127.0.0.1:9/', guardOptions().options)
    expect(connection.jid).toBeUndefined()
    expect(await outcome(connection.send(note('early')))).toBe('lost')
    expect(await outcome(connection.request(get()))).toBe('lost')
  })

  test('RFC 7622: under what is no JID there is no session', async () => {
    const server = await startServer({ framing })
    server.binds = 'me@example.org/\u200b\u0378'
    const host = make(server.url, guardOptions().options)
    running.push({ server, host })
    const states: string[] = []
    const stanzas = new Promise((resolve) =>
      host.connection.subscribe({
        session: (state) => states.push(state),
        stanza: ({ attrs }) => attrs.id === 'heard' && resolve(attrs.id),
      }),
    )
    host.connect()
    const stream = await server.session()
    stream.send(client('message', { id: 'heard', from: 'romeo@example.org/x' }))
    await stanzas
    expect(states).toEqual([])
    expect(host.connection.jid).toBeUndefined()
    expect(await outcome(host.connection.request(get('peer.example.org')))).toBe('lost')
  })

  describe('XEP-0198 §5, resumption', () => {
    test('resumed: requests go on waiting, and their replies come', async () => {
      const { server, connection, stream, told, reconnect } = await start()
      expect(connection.jid).toBe('me@example.org/1')
      const request = connection.request(get('peer.example.org'))
      const { attrs } = await stream.next()
      stream.drop()
      reconnect()
      const next = await server.session()
      expect(next.resumed).toBe(true)
      expect(await told(2)).toEqual(['new', 'resumed'])
      expect(connection.jid).toBe('me@example.org/1')
      next.send(client('iq', { type: 'result', id: attrs.id, from: 'peer.example.org' }))
      expect((await request).attrs.id).toBe(attrs.id)
    })

    test('not resumed: requests are lost, and the session is new', async () => {
      const { server, connection, stream, told, reconnect } = await start()
      const request = outcome(connection.request(get('peer.example.org')))
      await stream.next()
      server.remembers = false
      stream.drop()
      reconnect()
      await server.session()
      expect(await request).toBe('lost')
      expect((await told(2)).at(-1)).toBe('new')
      expect(connection.jid).toBe('me@example.org/2')
    })

    test('not resumable: lost at once, then new', async () => {
      const { server, connection, stream, told, reconnect } = await start({ resumable: false })
      const request = outcome(connection.request(get('peer.example.org')))
      await stream.next()
      stream.drop()
      expect(await told(2)).toEqual(['new', 'lost'])
      expect(await request).toBe('lost')
      expect(connection.jid).toBeUndefined()
      reconnect()
      await server.session()
      expect(await told(3)).toEqual(['new', 'lost', 'new'])
    })

    test('stopped: lost', async () => {
      const { connection, stream, told, stop } = await start()
      const request = outcome(connection.request(get('peer.example.org')))
      await stream.next()
      stop()
      expect(await told(2)).toEqual(['new', 'lost'])
      expect(await request).toBe('lost')
      expect(connection.jid).toBeUndefined()
    })
  })

  describe('RFC 6120 §8.2.3, replies', () => {
    test('from somebody else with the right id, and late ones, are none', async () => {
      const { connection, stream, timers } = await start()
      const request = connection.request(get('peer.example.org'))
      const { attrs } = await stream.next()
      stream.send(client('iq', { type: 'result', id: attrs.id, from: 'romeo@example.org/x' }, ping))
      stream.send(client('iq', { type: 'result', id: attrs.id, from: 'peer.example.org' }))
      expect((await request).children).toEqual([])

      const late = outcome(connection.request(get('peer.example.org')))
      const { attrs: asked } = await stream.next()
      for (const run of [...timers]) run()
      expect(await late).toBe('timeout')
      stream.send(client('iq', { type: 'result', id: asked.id, from: 'peer.example.org' }))
      await settled(stream, connection)
    })

    test('errors', async () => {
      const { connection, stream } = await start()
      const request = connection.request(get('peer.example.org'))
      const { attrs } = await stream.next()
      const gone = element('urn:ietf:params:xml:ns:xmpp-stanzas', 'item-not-found')
      const error = client('error', { type: 'cancel' }, gone)
      stream.send(client('iq', { type: 'error', id: attrs.id, from: 'peer.example.org' }, error))
      await expect(request).rejects.toMatchObject({ name: 'StanzaError', condition: 'item-not-found' })
    })
  })

  describe('Connection.answer', () => {
    const ask = (id: string, payload = element('urn:example:ask', 'ask', { id })) =>
      client('iq', { type: 'get', id, from: 'romeo@example.org/x', to: 'me@example.org' }, payload)

    test('one reply to each request', async () => {
      const { connection, stream } = await start()
      connection.answer('urn:example:ask', (iq) => {
        const { id } = iq.attrs
        if (id === 'not mine') return undefined
        if (id === 'refused') throw new StanzaError(iq, 'auth', 'forbidden')
        if (id === 'broken') return Promise.reject(new Error('secret'))
        return Promise.resolve(
          client('iq', {}, id === 'empty' ? [] : element('urn:example:ask', 'told', { id })),
        )
      })
      const ids = ['told', 'refused', 'broken', 'empty', 'not mine']
      const replies = new Map<string, string[]>()
      for (const id of ids) {
        stream.send(ask(id))
        const el = await stream.next()
        const condition = el.attrs.type === 'error' ? stanzaErrorOf(el).condition : 'told'
        replies.set(id, [el.attrs.id ?? '', condition])
        // `settled` would show a second reply.
        expect(await settled(stream, connection)).toEqual([])
      }
      expect(Object.fromEntries(replies)).toEqual({
        told: ['told', 'told'],
        refused: ['refused', 'forbidden'],
        broken: ['broken', 'internal-server-error'],
        empty: ['empty', 'told'],
        'not mine': ['not mine', 'service-unavailable'],
      })
    })

    test('what nobody takes is refused by the host, once, also after a stop', async () => {
      const { connection, stream } = await start()
      const stop = connection.answer('urn:example:ask', async () => client('iq'))
      stream.send(ask('other', element('urn:example:other', 'ask')))
      expect(stanzaErrorOf(await stream.next()).condition).toBe('service-unavailable')
      stop()
      stream.send(ask('stopped'))
      expect(stanzaErrorOf(await stream.next()).condition).toBe('service-unavailable')
      expect(await settled(stream, connection)).toEqual([])
    })
  })

  test('a stanza beyond the limits is left out, and the next one is heard', async () => {
    const { connection, stream, heard } = await start()
    for (const [id, depth] of [
      ['64', 63],
      ['65', 64],
    ] as const)
      stream.send(client('message', { id, from: 'romeo@example.org/x' }, deep(depth)))
    await settled(stream, connection)
    expect(heard).toContain('64')
    expect(heard).not.toContain('65')
  })

  test('two accounts side by side', async () => {
    const [one, two] = [await start(), await start()]
    one.stream.send(client('message', { id: 'one', from: 'romeo@example.org/x' }))
    await settled(one.stream, one.connection)
    await settled(two.stream, two.connection)
    expect([one.heard.includes('one'), two.heard.includes('one')]).toEqual([true, false])
  })
}
