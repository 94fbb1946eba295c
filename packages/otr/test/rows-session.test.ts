/** Rows of `attacks.md`: within a session, and what is shown of it. */
import { hmac } from '@noble/hashes/hmac.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { encodeMessage } from '../src/protocol/encoded-message.ts'
import { MAX_ERROR_REPLIES } from '../src/protocol/incoming.ts'
import { nextTick, sendPlain, startComparison } from '../src/protocol/outgoing.ts'
import type { Policy } from '../src/protocol/policy.ts'
import { equalBytes } from '../src/wire/bytes.ts'
import { data } from '../src/wire/writer.ts'
import {
  commit,
  dataOf,
  expectTalk,
  headerLength,
  liveSession,
  overhear,
  patched,
  peek,
  states,
  why,
} from './attacker.ts'
import { clock, converse, encrypted, hangUp, isEncrypted, type Side, side, waitFor } from './sides.ts'
import { seeded } from './support.ts'

describe.each([2, 3] as const)('row 16: errors that answer errors, version %i', (version) => {
  const policy = { requireEncryption: true, errorStartsAke: true, whitespaceStartsAke: true }

  it('two sides that cannot read each other come to an end by themselves', () => {
    const [a, b] = encrypted(version, 500, policy)
    const [c] = encrypted(version, 501, policy)
    const [, d] = encrypted(version, 506, policy)
    // Each has the session of another pair under the address of this one.
    const swap = (one: Side, other: Side) => {
      const { session } = other.conversation.instances[0]!
      one.conversation = {
        ...one.conversation,
        instances: one.conversation.instances.map((old) => ({ ...old, session })),
      }
    }
    swap(a, c)
    swap(b, d)
    let texts = 0
    for (let minute = 0; minute < 5; minute++) {
      for (let i = 0; i < 10; i++) for (const one of [a, b]) one.send(`${minute} ${i}`)
      texts += overhear(a, b).length
      for (let i = 0; i < 6 && nextTick(a.conversation, a.policy) !== undefined; i++) {
        waitFor(a, b)
        texts += overhear(a, b).length
      }
    }
    // 100 messages, and what it takes to agree again.
    expect(texts).toBeLessThanOrEqual(100 + 30)
    expect(isEncrypted(a) && isEncrypted(b)).toBe(true)
  })

  it('an error is never answered by an error, and by a query once a minute', () => {
    const [a] = encrypted(version, 502, policy)
    for (let i = 0; i < 1000; i++) a.receive('?OTR Error: x')
    expect(a.out).toStrictEqual([`?OTRv${version}?`])
    const [b] = encrypted(version, 503)
    for (let i = 0; i < 1000; i++) b.receive('?OTR Error: x')
    expect(b.out).toStrictEqual([])
  })

  it('MAX_ERROR_REPLIES in a minute, none to what says that it need not be read', () => {
    const [a, b] = encrypted(version, 504)
    b.send('x')
    const text = b.out.shift()!
    const { data: message } = dataOf(text)
    const forged = patched(text, message.authenticated.length, message.mac[0]! ^ 1)
    for (let i = 0; i < 20; i++) a.receive(forged)
    expect(a.out.length).toBe(MAX_ERROR_REPLIES)
    clock.now += 60_000
    a.out = []
    for (let i = 0; i < 20; i++) a.receive(patched(forged, headerLength(version), 1))
    expect(a.out).toStrictEqual([])
    a.receive(forged)
    expect(a.out.length).toBe(1)
  })

  it('without a session one, until there is one', () => {
    const [, b] = encrypted(version, 505)
    const a = side(2 * 505, [version])
    for (let i = 0; i < 20; i++) {
      clock.now += 60_000
      b.send('x')
      a.receive(b.out.shift()!)
    }
    expect(a.out.length).toBe(1)
  })
})

describe.each([2, 3] as const)('row 21: NUL in a text, version %i', (version) => {
  it.each(['a\0\0\u0001\0\0', '\0\0\u0001\0\0', 'a\0\0\u0006\0\0', 'a\0', '\0'])(
    '%j ends nothing',
    (text) => {
      const [a, b] = encrypted(version, 510)
      a.send(text)
      expect(peek(b, a.out[0]!).tlvs).toStrictEqual([])
      converse(a, b)
      expect(b.read()).toStrictEqual([text.replaceAll('\0', '\ufffd')])
      expect(isEncrypted(b)).toBe(true)
    },
  )

  it('nor in a question', () => {
    const [a, b] = encrypted(version, 511)
    a.apply(startComparison(a.conversation, 'x', a.means(), { question: 'a\0b' }))
    converse(a, b)
    expect(b.events).toMatchObject([{ type: 'smp-asked', question: 'a\ufffdb' }])
  })
})

describe.each([2, 3] as const)('row 22: plaintext, version %i', (version) => {
  const stateOf = {
    plaintext: (_policy: Partial<Policy>) => side(31, [version], _policy),
    encrypted: (policy: Partial<Policy>) => encrypted(version, 520, policy)[0],
    finished: (policy: Partial<Policy>) => {
      const [a, b] = encrypted(version, 521, policy)
      hangUp(b)
      converse(a, b)
      a.events = []
      return a
    },
  }
  it.each([
    ['plaintext', false, undefined, 'not-encrypted'],
    ['plaintext', true, 'encryption-required', 'not-encrypted'],
    ['encrypted', false, 'unencrypted-in-private', undefined],
    ['encrypted', true, 'unencrypted-in-private', undefined],
    ['finished', false, 'unencrypted-in-private', 'finished'],
    ['finished', true, 'unencrypted-in-private', 'finished'],
  ] as const)('%s, encryption required %j: warning %s, `send` %s', (state, required, warning, refused) => {
    const policy = { requireEncryption: required, sendWhitespaceTag: true }
    const one = stateOf[state](policy)
    for (const text of ['hello', 'hello \t  \t\t\t\t \t \t \t    \t\t  \t\t'])
      expect(one.receive(text).events[0]).toStrictEqual({
        type: 'message',
        encrypted: false,
        text: 'hello',
        ...(warning && { warning }),
      })
    one.out = []
    const step = one.send('typed')
    expect(step.events).toStrictEqual(refused === undefined ? [] : [{ type: 'refused', reason: refused }])
    expect(step.send.some((text) => text.includes('typed'))).toBe(false)
    expect(step.send.some((text) => text.startsWith('?OTR:'))).toBe(refused === undefined)
    // In the clear only what is meant so, and only without a session.
    const plain = one.apply(sendPlain(one.conversation, 'open', one.means()))
    expect(plain.send.length).toBe(state === 'plaintext' && !required ? 1 : 0)
    // The one way back.
    hangUp(one)
    expect(one.receive('hello').events[0]).not.toMatchObject({ warning: 'unencrypted-in-private' })
  })
})

describe.each([2, 3] as const)('rows 25 and 29: published MAC keys, version %i', (version) => {
  it('each has verified something, is published once, and opens no live session', () => {
    const [a, b] = encrypted(version, 530)
    const random = seeded(530)
    const said: { text: string; from: Side; to: Side }[] = []
    const published = new Set<string>()
    for (let round = 0; round < 60; round++) {
      const [choice = 0] = random(1)
      const [from, to] = choice % 2 ? [a, b] : [b, a]
      if (round === 30) {
        clock.now += 5000
        commit(from)
        converse(a, b)
      }
      from.send(`${round}`)
      const text = from.out.shift()!
      for (const key of dataOf(text).revealed) {
        const hex = bytesToHex(key)
        expect(published.has(hex)).toBe(false)
        published.add(hex)
        // The publisher has received under it.
        const received = said.filter(
          (one) => one.to === from && equalBytes(macOf(one.text, key), dataOf(one.text).data.mac),
        )
        expect(received.length).toBeGreaterThan(0)
        for (const one of [a, b])
          for (const { keys } of liveSession(one).window.pairs)
            expect([keys.sendingMac, keys.receivingMac].map(bytesToHex)).not.toContain(hex)
        for (const forged of [...said.slice(-12).map((one) => one.text), text].map((one) => forge(one, key)))
          for (const one of [a, b]) {
            const before = liveSession(one)
            one.receive(forged)
            expect(liveSession(one)).toBe(before)
          }
      }
      a.out = []
      b.out = []
      // A message in ten is lost, and so rotates nothing.
      if (choice % 10 !== 9) to.receive(text)
      said.push({ text, from, to })
    }
    expect(published.size).toBeGreaterThan(15)
    expectTalk(a, b)
    hangUp(a)
    const last = dataOf(a.out.shift()!)
    expect(last.revealed.length).toBeGreaterThan(0)
    expect(last.revealed.every((key) => !published.has(bytesToHex(key)))).toBe(true)
  })

  it('nothing grows while only one side speaks', () => {
    const [a, b] = encrypted(version, 531)
    const lengths = new Set(Array.from({ length: 50 }, () => a.send('x').send[0]!.length))
    converse(a, b)
    expect(lengths.size).toBe(1)
    expect(dataOf(b.send('y').send[0]!).revealed.length).toBeLessThanOrEqual(1)
  })

  it('that somebody takes out or puts in on the way are no matter to who reads', () => {
    const [a, b] = encrypted(version, 532)
    for (let i = 0; i < 6; i++) {
      const [from, to] = i % 2 ? [a, b] : [b, a]
      from.send(`${i}`)
      const { bytes, end } = dataOf(from.out.shift()!)
      const length = i * 7
      to.receive(encodeMessage(concatBytes(bytes.subarray(0, end), data(seeded(i)(length)))))
    }
    expect([b.read(), a.read()]).toStrictEqual([
      ['1', '3', '5'],
      ['0', '2', '4'],
    ])
  })

  const macOf = (text: string, key: Uint8Array) => hmac(sha1, key, dataOf(text).data.authenticated)
  const forge = (text: string, key: Uint8Array) => {
    const { bytes, data: message } = dataOf(text)
    const changed = bytes.slice()
    const end = message.authenticated.length
    changed[end - 1]! ^= 1
    // As new as can be.
    changed.fill(0xff, end - message.encrypted.length - 12, end - message.encrypted.length - 4)
    changed.set(hmac(sha1, key, changed.subarray(0, end)), end)
    return encodeMessage(changed)
  }
})

describe.each([2, 3] as const)('row 26: forward secrecy when only one side speaks, version %i', (version) => {
  it('heartbeats let keys go within a minute of the first message that was not answered', () => {
    const [a, b] = encrypted(version, 540)
    const rotations = () => liveSession(a).window.ourKeyId
    const before = rotations()
    for (let minute = 1; minute <= 10; minute++) {
      a.send('x')
      converse(a, b)
      const due = nextTick({ ...b.conversation, broadcast: undefined }, b.policy)!
      expect(due - clock.now).toBeLessThanOrEqual(60_000)
      clock.now = due - 1
      b.tick()
      expect(b.out).toStrictEqual([])
      clock.now = due
      b.tick()
      expect(b.out.length).toBe(1)
      expect(dataOf(b.out[0]!).data.ignoreUnreadable).toBe(true)
      converse(a, b)
      expect(rotations()).toBe(before + minute)
    }
    // Heartbeats are not shown, and not answered.
    expect(a.events).toStrictEqual([])
    clock.now += 600_000
    a.tick()
    b.tick()
    expect([...a.out, ...b.out]).toStrictEqual([])
  })

  it('nothing goes out when the policy has no heartbeat', () => {
    const [a, b] = encrypted(version, 541, { heartbeatMs: Number.POSITIVE_INFINITY })
    a.send('x')
    converse(a, b)
    expect(nextTick({ ...b.conversation, broadcast: undefined }, b.policy)).toBe(undefined)
    clock.now += 600_000
    b.tick()
    expect(b.out).toStrictEqual([])
  })
})

// What Pidgin, Adium and Profanity write, and what printf, templates and XML would make something of.
const TEXTS = [
  '<FONT COLOR="#ff0000">red</FONT>',
  '&lt;3 &amp; more',
  'line<br>break<BR/>',
  '<a href="javascript:alert(1)">x</a>',
  '<html><body style="x">hi</body></html>',
  '1 < 2 && 3 > 2',
  '<script>alert(1)</script>',
  '%n%n%s%x%%',
  '{{x}} #{y} $(z) `w`',
  ' two  spaces and \t tabs\r\nlines\n',
  '?OTRv23?',
  '?OTR:AAMD.',
  '\u202etxt.exe\u202c 🦊',
]

describe.each([2, 3] as const)('rows 27 and 28: texts are what they are, version %i', (version) => {
  it.each(TEXTS)('%j', (text) => {
    const [a, b] = encrypted(version, 550)
    a.send(text)
    converse(a, b)
    expect(b.events).toMatchObject([{ type: 'message', encrypted: true, text }])
    expect(b.out).toStrictEqual([])
  })

  it('in errors, questions and plaintext as well', () => {
    const [a, b] = encrypted(version, 551)
    for (const text of TEXTS.filter((one) => !one.startsWith('?OTR') && one.trim() === one)) {
      expect(a.receive(`?OTR Error: ${text}`).events).toStrictEqual([{ type: 'peer-error', text }])
      expect(a.receive(text).events).toMatchObject([{ type: 'message', encrypted: false, text }])
      a.events = []
      b.apply(startComparison(b.conversation, 'x', b.means(), { question: text }))
      converse(a, b)
      expect(a.events).toMatchObject([{ type: 'smp-asked', question: text }])
      hangUp(a)
      hangUp(b)
      a.out = []
      b.out = []
      commit(a)
      converse(a, b)
    }
    expect(states(b).length).toBeGreaterThan(10)
    expect(why(a.events)).not.toContain('malformed')
  })
})
