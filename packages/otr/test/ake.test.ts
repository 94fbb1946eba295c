import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import { MODULUS } from '../src/arithmetic/group.ts'
import { type Ake, type AkeMessage, type AkeStep, NO_AKE, receiveAke, startAke } from '../src/protocol/ake.ts'
import {
  commitTo,
  encodeCommit,
  encodeReveal,
  encodeSealed,
  MAX_FIRST_KEY_ID,
  openCommit,
  readCommit,
  readReveal,
  readSealed,
  seal,
  unseal,
} from '../src/protocol/ake-messages.ts'
import { akeKeys } from '../src/protocol/keys.ts'
import { equalBytes } from '../src/wire/bytes.ts'
import { bytesToInteger } from '../src/wire/integer.ts'
import { reader } from '../src/wire/reader.ts'
import { mpi } from '../src/wire/writer.ts'
import { group, keyOf } from './sides.ts'
import { seeded } from './support.ts'

const random = seeded(5)
const [alice, bob] = [
  { key: keyOf(1), group, random },
  { key: keyOf(2), group, random },
]
const give = (ake: Ake, message: AkeMessage | undefined, means = bob): AkeStep =>
  receiveAke(ake, message!.type, reader(message!.body, 'test'), means)

/** All messages and states of one exchange that alice begins. */
function exchange() {
  const commit = startAke(alice)
  const key = give(NO_AKE, commit.reply)
  const reveal = give(commit.ake, key.reply, alice)
  const signature = give(key.ake, reveal.reply)
  const end = give(reveal.ake, signature.reply, alice)
  return { commit, key, reveal, signature, end }
}
const whole = exchange()

describe('The protocol state machine', () => {
  it('ends with the same id and each other’s keys', () => {
    const [ours, theirs] = [whole.end.result!, whole.signature.result!]
    expect(ours.ssid).toStrictEqual(theirs.ssid)
    expect([ours.boldHalf, theirs.boldHalf]).toStrictEqual(['first', 'second'])
    expect([ours.theirKey.y, theirs.theirKey.y]).toStrictEqual([bob.key.y, alice.key.y])
    expect([ours.theirDh, theirs.theirDh]).toStrictEqual([theirs.ourDh.publicKey, ours.ourDh.publicKey])
    expect(ours.theirKeyId).toBe(1)
  })

  it('has the states and messages of the table', () => {
    const states = [NO_AKE, whole.commit.ake, whole.key.ake, whole.reveal.ake]
    const messages = [whole.commit, whole.key, whole.reveal, whole.signature].map(({ reply }) => reply!)
    const other = startAke(alice).reply!
    // Rows are states of one side or the other, so some of what they get is their own.
    const outcome = (ake: Ake, message: AkeMessage, means: typeof alice) => {
      const step = give(ake, message, means)
      return step.ignored ?? `${step.reply?.type ?? '-'} ${step.ake.state}${step.result ? ' result' : ''}`
    }
    const rows = states.map((ake, i) => [
      ...messages.map((message) => outcome(ake, message, i === 1 || i === 3 ? alice : bob)),
      ake.state === 'awaiting-dh-key' ? 'by its hash' : outcome(ake, other, alice),
    ])
    expect(rows).toStrictEqual([
      [
        'key awaiting-reveal-signature',
        'unexpected',
        'unexpected',
        'unexpected',
        'key awaiting-reveal-signature',
      ],
      ['reflected', 'reveal awaiting-signature', 'unexpected', 'unexpected', 'by its hash'],
      [
        'key awaiting-reveal-signature',
        'unexpected',
        'signature none result',
        'unexpected',
        'key awaiting-reveal-signature',
      ],
      [
        'reflected',
        'reveal awaiting-signature',
        'unexpected',
        '- none result',
        'key awaiting-reveal-signature',
      ],
    ])
  })

  // libotr follows the same rule, so the direction matters.
  it('keeps the commit whose hash is the greater number', () => {
    const outcomes = new Set<boolean>()
    for (let i = 0; i < 10; i++) {
      const [ours, theirs] = [startAke(alice), startAke(bob)]
      const step = give(ours.ake, theirs.reply, alice)
      const hashes = [ours, theirs].map(({ reply }) => readCommit(reader(reply!.body, 'test')).hash)
      const isGreater = bytesToInteger(hashes[0]!) > bytesToInteger(hashes[1]!)
      expect(step.ake === ours.ake).toBe(isGreater)
      expect(step.reply).toStrictEqual(isGreater ? ours.reply : expect.objectContaining({ type: 'key' }))
      outcomes.add(isGreater)
    }
    expect(outcomes.size).toBe(2)
  })

  it('answers a commit that comes again by the same key, and a key by the same signature', () => {
    const again = give(whole.key.ake, startAke(alice).reply)
    expect(again.reply).toStrictEqual(whole.key.reply)
    expect(give(whole.reveal.ake, whole.key.reply, alice).reply).toStrictEqual(whole.reveal.reply)
    const otherKey = give(NO_AKE, whole.commit.reply).reply
    expect(give(whole.reveal.ake, otherKey, alice)).toStrictEqual({
      ake: whole.reveal.ake,
      ignored: 'unexpected',
    })
  })

  it('refuses group elements out of range, in Key and behind Commit', () => {
    for (const value of [0n, 1n, MODULUS - 1n, MODULUS, MODULUS + 1n, MODULUS - 4n, 1n << 1600n]) {
      const refusal = expect.objectContaining({ code: 'group-element-invalid' })
      expect(() => give(whole.commit.ake, { type: 'key', body: mpi(value) }, alice)).toThrow(refusal)
      const revealed = random(16)
      const commit = give(NO_AKE, { type: 'commit', body: encodeCommit(commitTo(value, revealed)) })
      const sealed = { encrypted: new Uint8Array(50), mac: new Uint8Array(20) }
      const reveal = encodeReveal({ revealed: Uint8Array.from(revealed), ...sealed })
      expect(() => give(commit.ake, { type: 'reveal', body: reveal })).toThrow(refusal)
    }
  })

  it('refuses what was not committed to', () => {
    const commit = readCommit(reader(whole.commit.reply!.body, 'test'))
    const body = encodeCommit({ ...commit, hash: sha256(commit.hash) })
    const key = give(NO_AKE, { type: 'commit', body })
    const reveal = give(whole.commit.ake, key.reply, alice)
    expect(give(key.ake, reveal.reply)).toStrictEqual({ ake: key.ake, ignored: 'unauthentic' })
    if (whole.commit.ake.state !== 'awaiting-dh-key') throw new Error('state')
    const { revealed, dh } = whole.commit.ake
    expect(openCommit(commit, revealed)).toBe(dh.publicKey)
    expect(openCommit(commit, new Uint8Array(16))).toBeUndefined()
  })

  it('refuses a Key that is its own', () => {
    if (whole.commit.ake.state !== 'awaiting-dh-key') throw new Error('state')
    const body = mpi(whole.commit.ake.dh.publicKey)
    expect(give(whole.commit.ake, { type: 'key', body }, alice).ignored).toBe('reflected')
  })
})

describe('Reveal Signature and Signature', () => {
  const secret = group.sharedSecret(random(40), group.powerOfG(random(40)))
  const keys = akeKeys(secret).reveal
  const pair = [group.powerOfG(random(40)), group.powerOfG(random(40))] as const
  const turned = [pair[1], pair[0]] as const

  it('say who signed what', () => {
    expect(unseal(keys, turned, seal(keys, pair, alice.key, 7, random))).toStrictEqual({
      key: { p: alice.key.p, q: alice.key.q, g: alice.key.g, y: alice.key.y },
      keyId: 7,
    })
  })

  it('are refused over other values, with other keys, or with a key id that cannot be', () => {
    const sealed = seal(keys, pair, alice.key, 7, random)
    expect(unseal(keys, pair, sealed)).toBeUndefined()
    expect(unseal(akeKeys(secret).signature, turned, sealed)).toBeUndefined()
    expect(unseal({ ...keys, signed: new Uint8Array(32) }, turned, sealed)).toBeUndefined()
    for (const [keyId, isGood] of [
      [0, false],
      [1, true],
      [MAX_FIRST_KEY_ID, true],
      [MAX_FIRST_KEY_ID + 1, false],
    ] as const)
      expect(unseal(keys, turned, seal(keys, pair, alice.key, keyId, random)) !== undefined).toBe(isGood)
  })

  it('are refused when any bit of them is another', () => {
    const { encrypted, mac } = seal(keys, pair, alice.key, 1, random)
    for (let at = 0; at < encrypted.length; at += 3) {
      const changed = Uint8Array.from(encrypted)
      changed[at]! ^= 4
      expect(unseal(keys, turned, { encrypted: changed, mac })).toBeUndefined()
    }
    for (let at = 0; at < 20; at++) {
      const changed = Uint8Array.from(mac)
      changed[at]! ^= 1
      expect(unseal(keys, turned, { encrypted, mac: changed })).toBeUndefined()
    }
  })

  it('are read back as they were written, and no shorter or longer', () => {
    const sealed = seal(keys, pair, alice.key, 1, random)
    const reveal = { revealed: Uint8Array.from(random(16)), ...sealed }
    const commit = commitTo(pair[0], random(16))
    const bodies = [
      { body: encodeSealed(sealed), read: readSealed, value: sealed },
      { body: encodeReveal(reveal), read: readReveal, value: reveal },
      { body: encodeCommit(commit), read: readCommit, value: commit },
    ]
    const refusal = expect.objectContaining({ code: 'message-malformed' })
    for (const { body, read, value } of bodies) {
      expect(read(reader(body, 'test'))).toStrictEqual(value)
      for (let length = 0; length < body.length; length++)
        expect(() => read(reader(body.subarray(0, length), 'test'))).toThrow(refusal)
      expect(() => read(reader(Uint8Array.of(...body, 0), 'test'))).toThrow(refusal)
    }
  })

  // r is bytes and no number: one that begins with zeros keeps them.
  it('hide g^x under r as it is, zeros in front too', () => {
    const revealed = Uint8Array.of(0, 0, 0, ...random(13))
    const commit = commitTo(pair[0], revealed)
    expect(openCommit(commit, revealed)).toBe(pair[0])
    expect(commit.hash).toStrictEqual(sha256(mpi(pair[0])))
    expect(equalBytes(commit.encrypted, commitTo(pair[0], random(16)).encrypted)).toBe(false)
  })
})
