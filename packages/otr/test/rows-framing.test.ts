/** Rows of `attacks.md`: lengths, counters, tags and everything else that is read before it is verified. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { decodeMessage, encodeMessage, MAX_MESSAGE_BYTES } from '../src/protocol/encoded-message.ts'
import { bytesToInteger } from '../src/wire/integer.ts'
import {
  commit,
  dataOf,
  expectTalk,
  headerLength,
  lengthFields,
  liveSession,
  overhear,
  patched,
  why,
} from './attacker.ts'
import { converse, encrypted, isEncrypted, type Side, side } from './sides.ts'
import vectors from './vectors/key-derivation.json' with { type: 'json' }

describe.each([2, 3] as const)('row 2: lengths that lie, version %i', (version) => {
  /** Every message of an exchange and one of data, each with the side that waits for it. */
  const eachMessage = (attack: (text: string, to: Side) => void) => {
    const [a, b] = [side(1, [version]), side(2, [version])]
    const types: number[] = []
    commit(a)
    for (let round = 0; round < 5; round++) {
      const [from, to] = round % 2 === 0 ? [a, b] : [b, a]
      if (round === 4) from.send('data')
      const text = from.out.shift()!
      types.push(decodeMessage(text)[2]!)
      const before = to.conversation
      attack(text, to)
      expect(to.conversation).toBe(before)
      to.receive(text)
    }
    expect(types).toStrictEqual([2, 10, 17, 18, 3])
    expect(b.read()).toStrictEqual(['data'])
  }

  it.each([
    [0xff, 0xff, 0xff, 0xff],
    [0x80, 0, 0, 0],
    [0x7f, 0xff, 0xff, 0xff],
    [0, 4, 0, 1],
  ])('a length of %i %i %i %i in every field', (...length) => {
    eachMessage((text, to) => {
      const fields = lengthFields(text)
      expect(fields.length).toBeGreaterThan(0)
      for (const at of fields)
        expect(why(to.receive(patched(text, at, ...length)).events)).toStrictEqual(['malformed'])
    })
  })

  it('a length that is one more or one less', () => {
    eachMessage((text, to) => {
      for (const at of lengthFields(text))
        for (const by of [1, -1]) {
          const length = new DataView(decodeMessage(text).buffer).getUint32(at) + by
          if (length < 0) continue
          const step = to.receive(patched(text, at + 2, length >> 8, length & 0xff))
          expect(why(step.events)).toStrictEqual(['malformed'])
          expect(step.send).toStrictEqual([])
        }
    })
  })

  it('cut off at every byte, and too long by one', () => {
    eachMessage((text, to) => {
      const bytes = decodeMessage(text)
      for (let length = 0; length < bytes.length; length++)
        expect(why(to.receive(encodeMessage(bytes.slice(0, length))).events)).toStrictEqual(['malformed'])
      expect(why(to.receive(encodeMessage(Uint8Array.of(...bytes, 0))).events)).toStrictEqual(['malformed'])
    })
  })

  it('base64 that is none, or nothing: CVE-2012-3461', () => {
    eachMessage((text, to) => {
      const junk = [
        '?OTR:===.',
        '?OTR:=.',
        '?OTR:.',
        '?OTR:',
        '?OTR:A.',
        '?OTR:AA=A.',
        '?OTR:AAMD====.',
        '?OTR:\0.',
      ]
      const broken = [
        text.replace(/.{4}\.$/, '.*..'),
        text.replace('?OTR:', '?OTR:_'),
        text.slice(0, 40),
        `${text.slice(0, 30)}é${text.slice(30)}`,
      ]
      for (const one of [...junk, ...broken])
        expect(why(to.receive(one).events), one.slice(0, 20)).toStrictEqual(['malformed'])
    })
  })

  it('MAX_MESSAGE_BYTES characters are looked at, one more is not', () => {
    const [a, b] = encrypted(version, 310)
    b.send('x')
    const text = b.out.shift()!
    expect(why(a.receive(text.padEnd(MAX_MESSAGE_BYTES + 1)).events)).toStrictEqual(['malformed'])
    expect(why(a.receive(text.padEnd(MAX_MESSAGE_BYTES)).events)).toStrictEqual(['message'])
  })
})

describe.each([2, 3] as const)('row 3: truncated data messages, version %i', (version) => {
  it('every prefix, and every bit of what is authenticated, changes nothing', () => {
    const [a, b] = encrypted(version, 311)
    b.send('x')
    const text = b.out.shift()!
    const { bytes, end } = dataOf(text)
    const session = liveSession(a)
    for (let length = 0; length < bytes.length; length++) a.receive(encodeMessage(bytes.slice(0, length)))
    for (let at = 0; at < end; at++) a.receive(patched(text, at, bytes[at]! ^ (1 << (at & 7))))
    expect(liveSession(a)).toBe(session)
    expect(a.read()).toStrictEqual([])
    a.receive(text)
    expect(a.read()).toStrictEqual(['x'])
  })
})

describe.each([2, 3] as const)('row 4: state before the MAC, version %i', (version) => {
  it('a counter of ff…ff, key ids of others and a next key of the attacker’s, then the genuine message', () => {
    const [a, b] = encrypted(version, 312)
    const start = headerLength(version)
    const forgeries: [number, number[]][] = [
      [start + 4, [0]],
      [start + 1, [0xff, 0xff, 0xff, 0xff]],
      [start + 5, [0xff, 0xff, 0xff, 0xff]],
      [start + 1, [0, 0, 0, 2]],
      [start + 5, [0, 0, 0, 2]],
      [start + 1, [0, 0, 0, 1, 0, 0, 0, 2]],
    ]
    for (let round = 0; round < 4; round++) {
      b.send(`${round}`)
      const text = b.out.shift()!
      const { data } = dataOf(text)
      const counter = data.authenticated.length - data.encrypted.length - 12
      const next = start + 13
      const instances = a.conversation.instances
      const all = [...forgeries, [counter, Array(8).fill(0xff)], [next, Array(192).fill(0)]] as const
      for (const [at, bytes] of all) {
        // The key ids of the forgery may be those of the message itself.
        const forged = patched(text, at, ...bytes)
        if (forged !== text) a.receive(forged)
        expect(a.conversation.instances).toBe(instances)
      }
      a.out = []
      a.receive(text)
      a.send(`${round}`)
      b.receive(a.out.shift()!)
    }
    expect(a.read()).toStrictEqual(['0', '1', '2', '3'])
    expect(b.read()).toStrictEqual(['0', '1', '2', '3'])
  })

  it('a thousand pairs of key ids leave no pair behind', () => {
    const [a, b] = encrypted(version, 313)
    b.send('x')
    const text = b.out.shift()!
    const instances = a.conversation.instances
    for (let i = 0; i < 1000; i++)
      a.receive(patched(text, headerLength(version) + 1, 0, 0, i >> 5, 99, 0, 0, 0, i & 31))
    expect(a.conversation.instances).toBe(instances)
    a.out = []
    expectTalk(a, b)
  })
})

describe.each([2, 3] as const)('row 12: bytes that look like numbers, version %i', (version) => {
  /** As `side`, but of the first draw of so many bytes some are zeros. */
  const zeroed = (one: Side, length: number, zeros: (bytes: Uint8Array) => unknown): Side => {
    const { random } = one.means()
    let drawn = 0
    const means = one.means
    one.means = () => ({
      ...means(),
      random: (size) => {
        const bytes = Uint8Array.from(random(size))
        if (size === length && drawn++ === 0) zeros(bytes)
        return bytes
      },
    })
    return one
  }

  it.each([
    ['a nibble', (r: Uint8Array) => r.set([r[0]! & 0x0f])],
    ['a byte', (r: Uint8Array) => r.set([0])],
    ['15 bytes', (r: Uint8Array) => r.fill(0, 0, 15)],
    ['all', (r: Uint8Array) => r.fill(0)],
  ])('r begins with %s of zeros', (_what, zeros) => {
    const [a, b] = [side(1, [version]), zeroed(side(2, [version]), 16, zeros)]
    commit(b)
    const reveal = overhear(a, b).find(({ text }) => decodeMessage(text)[2] === 17)
    const r = decodeMessage(reveal!.text).slice(headerLength(version), headerLength(version) + 20)
    expect([...r.slice(0, 4)]).toStrictEqual([0, 0, 0, 16])
    const seen = r.slice(4)
    zeros(seen)
    expect(r.slice(4)).toStrictEqual(seen)
    expectTalk(a, b)
  })

  it.each(vectors.cases)('in a session: $want', (row) => {
    const [a, b] = [side(1, [version]), side(2, [version])]
    zeroed(a, 40, (bytes) => bytes.set(hexToBytes(row.x)))
    zeroed(b, 40, (bytes) => bytes.set(hexToBytes(row.y)))
    commit(b)
    converse(a, b)
    const { ssid } = liveSession(a)
    expect(bytesToHex(ssid)).toBe(row.ssid)
    expect(liveSession(b).ssid).toStrictEqual(ssid)
    // Messages under the keys of the exchange itself.
    a.send('one')
    expect(liveSession(a).window.pairs.map(({ keys }) => Object.values(keys).map(bytesToHex))).toStrictEqual([
      [row.sendAES, row.recvAES, row.sendMAC, row.recvMAC, row.extra],
    ])
    converse(a, b)
    expect(b.read()).toStrictEqual(['one'])
    expectTalk(a, b)
  })

  it('no MPI begins with a zero, whatever it says', () => {
    for (let seed = 0; seed < 30; seed++) {
      const [a, b] = [side(2 * seed, [version]), side(2 * seed + 1, [version])]
      commit(a)
      const key = overhear(a, b).find(({ text }) => decodeMessage(text)[2] === 10)
      expect(decodeMessage(key!.text)[headerLength(version) + 4]).not.toBe(0)
    }
  })
})

describe.each([2, 3] as const)('row 20: tags of strangers, version %i', (version) => {
  it('a message with a bogus tag first, and nothing is pinned to it', () => {
    const [a, b] = [side(10, [version]), side(11, [version])]
    const [from] = encrypted(3, 314)
    from.send('x')
    const bogus = decodeMessage(from.out.shift()!)
    bogus.set([0, 0, 0x99, 0x99, 0, 0, 1, 10], 3)
    a.receive(encodeMessage(bogus))
    a.receive('?OTR|00009999|0000010a,00001,00002,?OTR:AAMD,')
    expect(a.conversation.instances).toStrictEqual([])
    expect(a.conversation.active).toBe(undefined)
    a.out = []
    commit(b)
    converse(a, b)
    expect(isEncrypted(a) && isEncrypted(b)).toBe(true)
    expect(a.conversation.active).toBe(version === 2 ? 0 : b.conversation.ourTag)
    expectTalk(a, b)
  })

  it('a commit that nobody stands behind takes nothing from a session', () => {
    const [a, b] = encrypted(version, 315)
    const c = side(12, [version])
    commit(c)
    const text = c.out.shift()!
    const session = liveSession(a)
    const tags = version === 3 ? [b.conversation.ourTag, 0x9999] : [0]
    for (const tag of tags) a.receive(version === 3 ? patched(text, 3, 0, 0, tag >> 8, tag & 0xff) : text)
    expect(liveSession(a)).toBe(session)
    expect(bytesToInteger(session.ssid)).toBe(bytesToInteger(liveSession(b).ssid))
    expectTalk(a, b)
  })
})
