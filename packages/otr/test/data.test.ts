import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { MODULUS } from '../src/arithmetic/group.ts'
import { type Conversation, discarded } from '../src/protocol/conversation.ts'
import { dataMac, readDataMessage } from '../src/protocol/data-message.ts'
import { decodeMessage, encodeMessage } from '../src/protocol/encoded-message.ts'
import { start } from '../src/protocol/handshake.ts'
import { readHeader, type Version } from '../src/protocol/header.ts'
import { MAX_ERROR_REPLIES } from '../src/protocol/incoming.ts'
import { openData, sealData } from '../src/protocol/key-window.ts'
import { nextTick, send, shareSymmetricKey } from '../src/protocol/outgoing.ts'
import { type EncryptedSession, MAX_WAITING_MAC_KEYS } from '../src/protocol/session.ts'
import { reader } from '../src/wire/reader.ts'
import { clock, converse, encrypted, group, hangUp, type Side, sessionOf } from './sides.ts'
import { seeded } from './support.ts'

const dropped = (one: Side) => one.events.flatMap((event) => (event.type === 'dropped' ? [event.why] : []))

function windowOf(one: Side): EncryptedSession['window'] {
  const session = sessionOf(one)
  if (session?.state !== 'encrypted') throw new Error('no session')
  return session.window
}

function parse(text: string) {
  const bytes = decodeMessage(text)
  const input = reader(bytes, 'test')
  const header = readHeader(input)
  const data = readDataMessage(bytes, input)
  const old = reader(bytes, 'test')
  old.bytes(data.authenticated.length + 20)
  const field = old.data()
  const revealed = Array.from({ length: field.length / 20 }, (_, i) => field.slice(20 * i, 20 * i + 20))
  return { bytes, header, data, revealed }
}

describe.each([2, 3] as const)('Data messages, version %i', (version: Version) => {
  const headerLength = version === 3 ? 11 : 3

  it('go both ways, in any tongue, and rotate keys', () => {
    const [a, b] = encrypted(version, 1)
    const said: string[] = []
    for (let round = 0; round < 20; round++) {
      said.push(`${round} жук 🦊`)
      a.send(said.at(-1)!)
      converse(a, b)
      b.send(said.at(-1)!)
      converse(a, b)
    }
    expect(b.read()).toStrictEqual(said)
    expect(a.read()).toStrictEqual(said)
    expect(windowOf(a).ourKeyId).toBeGreaterThan(18)
    expect(windowOf(a).pairs.length).toBeLessThanOrEqual(4)
  })

  // Whatever is delivered: nothing comes twice, and what is in order under the same keys comes.
  it('endure loss, repetition and disorder', () => {
    const [a, b] = encrypted(version, 2)
    const random = seeded(77)
    const lines = new Map<Side, string[]>([
      [a, []],
      [b, []],
    ])
    const sent = new Map<Side, Set<string>>([
      [a, new Set()],
      [b, new Set()],
    ])
    for (let i = 0; i < 1000; i++) {
      const [choice = 0, place = 0] = random(2)
      const [from, to] = i % 2 === 0 ? [a, b] : [b, a]
      const line = lines.get(to)!
      if (choice < 128) {
        sent.get(from)!.add(`${i}`)
        from.send(`${i}`)
        line.push(...from.out.splice(0))
      }
      if (line.length === 0) continue
      const [text] = line.splice(choice % 5 === 0 ? place % line.length : 0, 1)
      if (choice % 7 === 0) continue
      to.receive(text!)
      if (choice % 11 === 0) line.splice(place % (line.length + 1), 0, text!)
      to.out = []
    }
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const read = to.read()
      expect(new Set(read).size).toBe(read.length)
      expect(read.every((text) => sent.get(from)!.has(text))).toBe(true)
      expect(read.length).toBeGreaterThan(sent.get(from)!.size / 2)
    }
    a.out = []
    b.out = []
    for (const text of ['1', '2', '3']) {
      a.send(`last ${text}`)
      b.send(`last ${text}`)
      converse(a, b)
    }
    expect(a.read().slice(-3)).toStrictEqual(['last 1', 'last 2', 'last 3'])
    expect(b.read().slice(-3)).toStrictEqual(['last 1', 'last 2', 'last 3'])
  })

  it('have a counter of 64 bits, and end where there is no other', () => {
    const [a, b] = encrypted(version, 12)
    const { header } = parse(a.send('first').send[0] ?? '')
    const window = windowOf(a)
    const pairs = window.pairs.map((pair) => ({ ...pair, sent: 0xffff_ffff_ffff_fffen }))
    const sealing = { header, plaintext: new Uint8Array(1), ignoreUnreadable: false }
    const last = sealData({ ...window, pairs }, sealing, group)
    b.receive(encodeMessage(last.message))
    expect(dropped(b)).toStrictEqual([])
    expect(() => sealData(last.window, sealing, group)).toThrow(/^counter: /)
  })

  it('are read once', () => {
    const [a, b] = encrypted(version, 3)
    a.send('once')
    const text = a.out.shift()!
    b.receive(text)
    const before = b.conversation
    expect(b.receive(text)).toStrictEqual({
      conversation: before,
      send: [],
      events: [{ type: 'dropped', why: 'replayed' }],
    })
    expect(b.read()).toStrictEqual(['once'])
  })

  // row 4
  it('change nothing before they are verified', () => {
    const [a, b] = encrypted(version, 4)
    a.send('genuine')
    const genuine = a.out.shift()!
    const { bytes, data } = parse(genuine)
    const before = b.conversation.instances
    // Flags, key ids, next key, counter, ciphertext and MAC.
    for (let at = headerLength; at < data.authenticated.length + 20; at += at < headerLength + 16 ? 1 : 5) {
      const forged = bytes.slice()
      forged[at]! ^= 0x80
      b.receive(encodeMessage(forged))
      expect(b.conversation.instances, `${at}`).toBe(before)
    }
    const counter = data.authenticated.length - 4 - data.encrypted.length - 8
    b.receive(encodeMessage(Uint8Array.from(bytes).fill(0xff, counter, counter + 8)))
    expect(b.conversation.instances).toBe(before)
    expect(b.read()).toStrictEqual([])
    b.receive(genuine)
    expect(b.read()).toStrictEqual(['genuine'])
  })

  it('are refused with counter 0', () => {
    const [a, b] = encrypted(version, 5)
    const window = windowOf(a)
    const header = {
      version,
      type: 'data',
      sender: a.conversation.ourTag,
      receiver: b.conversation.ourTag,
    } as const
    const sealing = { header, plaintext: Uint8Array.of(97), ignoreUnreadable: false }
    const pairs = [...sealData(window, sealing, group).window.pairs].map((pair) => ({ ...pair, sent: -1n }))
    b.receive(encodeMessage(sealData({ ...window, pairs }, sealing, group).message))
    expect(dropped(b)).toStrictEqual(['replayed'])
  })

  // row 14
  it('are refused with a next key outside the group', () => {
    const [a, b] = encrypted(version, 6)
    const window = windowOf(a)
    const header = {
      version,
      type: 'data',
      sender: a.conversation.ourTag,
      receiver: b.conversation.ourTag,
    } as const
    const before = b.conversation
    for (const publicKey of [0n, 1n, MODULUS - 1n, MODULUS, MODULUS + 1n, MODULUS - 4n, 1n << 8_000n]) {
      const forged = { ...window, ourCurrent: { ...window.ourCurrent, publicKey } }
      const sealing = { header, plaintext: Uint8Array.of(97), ignoreUnreadable: false }
      b.receive(encodeMessage(sealData(forged, sealing, group).message))
      expect(b.conversation).toBe(before)
    }
    expect(new Set(dropped(b))).toStrictEqual(new Set(['malformed']))
  })

  // row 25
  it('reveal each receiving MAC key once, when nothing is accepted under it any more', () => {
    const [a, b] = encrypted(version, 7)
    const old: { text: string; to: Side }[] = []
    const revealed: string[] = []
    let forgeries = 0
    for (let round = 0; round < 30; round++) {
      const [from, to] = round % 3 === 0 ? [a, b] : [b, a]
      from.send(`${round}`)
      const text = from.out.shift()!
      const message = parse(text)
      for (const key of message.revealed) {
        revealed.push(bytesToHex(key))
        // A key that was published verifies a message that its owner got, and forges others.
        const verified = old.filter(({ text, to }) => {
          const { data } = parse(text)
          return to === from && bytesToHex(dataMac(key, data.authenticated)) === bytesToHex(data.mac)
        })
        expect(verified.length).toBeGreaterThan(0)
        const { bytes, data } = parse(verified.at(-1)!.text)
        const forged = bytes.slice()
        forged[data.authenticated.length - 1]! ^= 1
        forged.set(dataMac(key, forged.subarray(0, data.authenticated.length)), data.authenticated.length)
        const before = from.conversation.instances
        for (const one of [from, to]) one.receive(encodeMessage(forged))
        expect(from.conversation.instances).toBe(before)
        forgeries++
      }
      a.out = []
      b.out = []
      to.receive(text)
      old.push({ text, to })
    }
    expect(forgeries).toBeGreaterThan(5)
    expect(new Set(revealed).size).toBe(revealed.length)
    expect(a.read().length + b.read().length).toBe(30)
    a.send('')
    const [last] = a.out.splice(0)
    hangUp(a)
    const end = parse(a.out.shift()!)
    expect(parse(last!).data.ignoreUnreadable).toBe(false)
    expect(end.revealed.length).toBeGreaterThan(0)
    expect(end.data.ignoreUnreadable).toBe(true)
  })

  it('reveal what verified under a session that was replaced', () => {
    const [a, b] = encrypted(version, 19)
    b.send('x')
    const { data } = parse(b.out[0]!)
    converse(a, b)
    clock.now += 5000
    a.apply(start(a.conversation, [version], a.means()))
    converse(a, b)
    a.send('y')
    const { revealed } = parse(a.out.shift()!)
    expect(revealed.map((key) => dataMac(key, data.authenticated))).toContainEqual(data.mac)
  })

  it('do not grow while only one side speaks', () => {
    const [a, b] = encrypted(version, 8)
    const lengths = new Set<number>()
    for (let i = 0; i < 50; i++) {
      a.send('x')
      lengths.add(a.out[0]!.length)
      converse(a, b)
    }
    expect(lengths.size).toBe(1)
    expect(windowOf(b).revealing.length).toBeLessThanOrEqual(1)
  })

  it('that come back are known as our own', () => {
    const [a] = encrypted(version, 9)
    a.send('mine')
    const before = a.conversation
    const step = a.receive(a.out.shift()!)
    expect(step).toStrictEqual({
      conversation: before,
      send: [],
      events: [{ type: 'dropped', why: 'reflected' }],
    })
  })

  // row 26
  it('are answered by a heartbeat when keys have waited', () => {
    const [a, b] = encrypted(version, 10)
    a.send('one')
    converse(a, b)
    expect(nextTick(b.conversation, b.policy)).toBeLessThanOrEqual(clock.now + 60_000)
    clock.now += 60_000
    b.tick()
    expect(b.out.length).toBe(1)
    expect(parse(b.out[0]!).data.ignoreUnreadable).toBe(true)
    converse(a, b)
    expect(a.events).toStrictEqual([])
    // A heartbeat is not answered by a heartbeat.
    clock.now += 600_000
    a.tick()
    b.tick()
    expect([...a.out, ...b.out]).toStrictEqual([])
    a.send('two')
    converse(a, b)
    expect(b.read()).toStrictEqual(['one', 'two'])
  })

  it('are answered at once when too many MAC keys wait', () => {
    const [a, b] = encrypted(version, 11)
    let window = windowOf(a)
    const header = {
      version,
      type: 'data',
      sender: version === 3 ? a.conversation.ourTag : 0,
      receiver: version === 3 ? b.conversation.ourTag : 0,
    } as const
    // A peer that takes its next key into use without waiting for ours.
    for (let i = 0; i <= MAX_WAITING_MAC_KEYS; i++) {
      const sealed = sealData(
        window,
        { header, plaintext: Uint8Array.of(97), ignoreUnreadable: false },
        group,
      )
      b.receive(encodeMessage(sealed.message))
      const { ourKeyId, ourCurrent } = window
      const next = { secret: seeded(i)(40), publicKey: group.powerOfG(seeded(i)(40)) }
      window = {
        ...window,
        ourKeyId: ourKeyId + 1,
        ourPrevious: ourCurrent,
        ourCurrent: { ...next, secret: Uint8Array.from(next.secret) },
        pairs: [],
      }
    }
    expect(b.read().length).toBe(MAX_WAITING_MAC_KEYS + 1)
    expect(b.out.length).toBe(1)
    expect(parse(b.out[0]!).revealed.length).toBe(MAX_WAITING_MAC_KEYS)
    expect(windowOf(b).revealing.length).toBeLessThan(MAX_WAITING_MAC_KEYS)
  })

  it('are padded if the policy says so', () => {
    const [a, b] = encrypted(version, 12, { pad: 128 })
    const lengths = ['', 'a', 'x'.repeat(100)].map((text) => {
      a.send(text)
      return parse(a.out.at(-1)!).data.encrypted.length
    })
    expect(lengths).toStrictEqual([128, 128, 128])
    converse(a, b)
    expect(b.read()).toStrictEqual(['a', 'x'.repeat(100)])
  })

  it('share an extra key, of version 3 only, from before the rotation', () => {
    const [a, b] = encrypted(version, 13)
    a.apply(shareSymmetricKey(a.conversation, 7, Uint8Array.of(1, 2), a.means()))
    converse(a, b)
    if (version === 2) {
      expect(a.events).toStrictEqual([{ type: 'refused', reason: 'not-now' }])
      return
    }
    const [ours, theirs] = [a.events[0]!, b.events[0]!]
    if (ours.type !== 'symmetric-key' || theirs.type !== 'symmetric-key') throw new Error(ours.type)
    expect(ours).toMatchObject({ use: 7, data: Uint8Array.of(1, 2), weInitiated: true })
    const { fingerprint } = a
    expect(theirs).toStrictEqual({
      ...ours,
      fingerprint,
      instance: a.conversation.ourTag,
      weInitiated: false,
    })
    expect(theirs.key.length).toBe(32)
  })

  it('with records that nobody knows are read', () => {
    const [a, b] = encrypted(version, 14)
    a.apply(send(a.conversation, 'text', a.means(), [{ type: 99, value: Uint8Array.of(1) }]))
    converse(a, b)
    expect(b.events).toMatchObject([{ type: 'message', text: 'text', encrypted: true }])
  })

  // row 16
  it('that cannot be read are answered by few errors, and errors by none', () => {
    const [a, b] = encrypted(version, 15, { errorStartsAke: false })
    const [c] = encrypted(version, 15)
    // c has a's place, and other keys.
    c.conversation = { ...c.conversation, instances: a.conversation.instances.map((one) => ({ ...one })) }
    for (let i = 0; i < 20; i++) {
      b.send(`${i}`)
      const { bytes, data } = parse(b.out.shift()!)
      bytes[data.authenticated.length]! ^= 1
      c.receive(encodeMessage(bytes))
    }
    expect(c.out.length).toBe(MAX_ERROR_REPLIES)
    expect(dropped(c)).toStrictEqual(Array(20).fill('unreadable'))
    for (const text of c.out.splice(0)) b.receive(text)
    expect(b.out).toStrictEqual([])
    expect(b.events.map(({ type }) => type)).toStrictEqual(Array(MAX_ERROR_REPLIES).fill('peer-error'))
    clock.now += 60_000
    b.send('later')
    const { bytes, data } = parse(b.out.shift()!)
    bytes[data.authenticated.length]! ^= 1
    c.receive(encodeMessage(bytes))
    expect(c.out.length).toBe(1)
    bytes[headerLength] = 1
    c.receive(encodeMessage(bytes))
    expect(c.out.length).toBe(1)
  })

  it('leave no key behind', () => {
    const [a, b] = encrypted(version, 16)
    a.send('one')
    converse(a, b)
    const before: Conversation = a.conversation
    b.send('two')
    converse(a, b)
    const step = discarded(before, a.conversation)
    expect(step.length).toBeGreaterThan(4)
    const session = sessionOf(a)
    hangUp(a)
    const gone = discarded(
      { ...before, instances: [{ tag: 1, ake: { state: 'none' }, retry: undefined, session: session! }] },
      a.conversation,
    )
    if (session?.state !== 'encrypted') throw new Error('no session')
    expect(gone).toContain(session.window.ourCurrent.secret)
    expect(gone).toContain(session.window.pairs[0]!.keys.receivingCipher)
    expect(discarded(before, before)).toStrictEqual([])
  })

  it('open with every pair of the window, and no other', () => {
    const [a, b] = encrypted(version, 17)
    converse(a, b)
    const window = windowOf(b)
    a.send('x')
    const { data } = parse(a.out.shift()!)
    for (const [recipientKeyId, senderKeyId] of [
      [0, 1],
      [3, 1],
      [1, 0],
      [1, 2],
      [0xffff_ffff, 0xffff_ffff],
    ] as const)
      expect(openData(window, { ...data, recipientKeyId, senderKeyId }, group, seeded(1))).toStrictEqual({
        opened: false,
        why: 'keys-unknown',
      })
  })

  it('tell that the peer is gone', () => {
    const [a, b] = encrypted(version, 18)
    a.send('bye')
    hangUp(a)
    converse(a, b)
    expect(b.read()).toStrictEqual(['bye'])
    expect(b.events.at(-1)).toMatchObject({
      type: 'state',
      to: { state: 'finished', fingerprint: a.fingerprint },
    })
    // row 22
    expect(b.send('typed meanwhile').events).toStrictEqual([{ type: 'refused', reason: 'finished' }])
    expect(b.out).toStrictEqual([])
    hangUp(b)
    expect(b.out).toStrictEqual([])
    expect(b.conversation.instances).toStrictEqual([])
    expect(b.send('typed after').events).toStrictEqual([{ type: 'refused', reason: 'not-encrypted' }])
  })
})
