import { enums, type SecretSubkeyPacket, type SignaturePacket } from 'openpgp'
import { describe, expect, test, vi } from 'vitest'
import { type Certificate, mergeCertificates, readCertificate } from '../src/openpgp/certificate.ts'
import { CLOCK_TOLERANCE_MS } from '../src/openpgp/config.ts'
import { crypt, sign, signcrypt } from '../src/openpgp/message.ts'
import { componentsOf, publicKey } from '../src/openpgp/packets.ts'
import {
  generateSecretKey,
  readSecretKeys,
  revokeSecretKey,
  type SecretKey,
} from '../src/openpgp/secret-key.ts'
import {
  address,
  bytes,
  encryptedTo,
  HELLO,
  juliet,
  LATER,
  literal,
  MINUTE,
  mallory,
  messageOf,
  NOW,
  open,
  primaryOf,
  reader,
  romeo,
  signature,
  signatureOf,
  valid,
  vectors,
} from './openpgp-fixtures.ts'

const invalid = { kind: 'invalid', code: 'signature-invalid' }
const unknown = { kind: 'invalid', code: 'signer-unknown' }
const refused = { kind: 'invalid', code: 'algorithm-refused' }
const early = { kind: 'invalid', code: 'signature-from-future' }

const certificate = (base64: string, now = LATER) => readCertificate(bytes(base64), undefined, now)

/** What is thought of the signature of a message of another program's. */
async function verdict(message: string, sender: readonly Certificate[], isArchived = false) {
  return signatureOf(await open(bytes(message), { own: [reader], sender, now: LATER, isArchived }))
}

describe('XEP-0373 §3.2: by the certificates of the sender, and by no others', () => {
  test('whose certificate is not among them is unknown', async () => {
    const message = await signcrypt(HELLO, romeo, [juliet.certificate], NOW)
    expect(signatureOf(await open(message, { sender: [] }))).toEqual(unknown)
    expect(signatureOf(await open(message, { sender: [mallory.certificate] }))).toEqual(unknown)
    expect(signatureOf(await open(message, { sender: [mallory.certificate, romeo.certificate] }))).toEqual(
      valid(romeo, NOW),
    )
  })

  test('a signature over something else', async () => {
    const other = await signature(await literal('something else'), primaryOf(romeo), NOW, {})
    expect(signatureOf(await open(messageOf(other, await literal('hello'))))).toEqual(invalid)
  })

  test('row 14: one that is valid suffices, in either order', async () => {
    const data = await literal('hi')
    const good = await signature(data, primaryOf(romeo), NOW, {})
    const bad = await signature(await literal('other'), primaryOf(romeo), NOW, {})
    const stranger = await signature(data, primaryOf(mallory), NOW, {})
    for (const other of [bad, stranger])
      for (const packets of [
        [good, other, data],
        [other, good, data],
      ]) {
        expect(signatureOf(await open(messageOf(...packets)))).toEqual(valid(romeo, NOW))
        expect(signatureOf(await open(await encryptedTo(juliet, packets)))).toEqual(valid(romeo, NOW))
      }
    for (const packets of [
      [bad, stranger, data],
      [stranger, bad, data],
    ])
      expect(signatureOf(await open(messageOf(...packets)))).toEqual(invalid)
    expect(signatureOf(await open(messageOf(stranger, data)))).toEqual(unknown)
  })
})

/** Mallory's certificate with a signing subkey of somebody else's, as if it were hers. */
async function stolen(
  from: SecretKey,
  embedded: (binding: SignaturePacket) => SignaturePacket | null,
): Promise<Certificate> {
  const theirs = componentsOf(from.certificate.key).find(
    ({ head, signatures }) => head !== from.certificate.key.keyPacket && signatures[0]?.embeddedSignature,
  )
  const binding = theirs?.signatures[0]
  if (theirs === undefined || binding === undefined) throw new TypeError('no signing subkey')
  const data = { key: primaryOf(mallory), bind: theirs.head }
  const mine = await signature(data, primaryOf(mallory), NOW, {
    signatureType: enums.signature.subkeyBinding,
    keyFlags: Uint8Array.of(enums.keyFlags.signData),
    embeddedSignature: embedded(binding),
  })
  const key = publicKey([...componentsOf(mallory.certificate.key), { head: theirs.head, signatures: [mine] }])
  return readCertificate(key.write(), undefined, NOW + MINUTE)
}

describe('subkeys that sign', async () => {
  const { subkeys } = vectors
  const owner = await certificate(subkeys.cert)
  const [secret] = (await readSecretKeys(bytes(subkeys.secret), LATER)) as [SecretKey]

  test('what a subkey signs is the primary key’s', async () => {
    expect(await verdict(subkeys.signcrypt, [owner])).toEqual(valid(owner, Date.UTC(2026, 0, 15)))
    const message = await sign(HELLO, secret, LATER)
    expect(signatureOf(await open(message, { sender: [owner], now: LATER }))).toEqual(valid(owner, LATER))
  })

  test('row 16: one that is bound to another certificate signs nothing for it', async () => {
    for (const thief of [
      await stolen(secret, () => null),
      await stolen(secret, (binding) => binding.embeddedSignature),
    ]) {
      expect(thief.key.getKeyIDs()).toHaveLength(3)
      expect(await verdict(subkeys.signcrypt, [thief])).toEqual(invalid)
    }
  })

  test('row 15: where two certificates have a key of the same id, each is asked', async () => {
    const thief = await stolen(secret, (binding) => binding.embeddedSignature)
    for (const sender of [
      [thief, owner],
      [owner, thief],
    ])
      expect(await verdict(subkeys.signcrypt, sender)).toEqual(valid(owner, Date.UTC(2026, 0, 15)))
  })

  test('row 15: an issuer of the same id is another issuer', async () => {
    const id = romeo.certificate.fingerprint.slice(-16)
    const { data, packet } = await withSubpacket(
      33,
      Uint8Array.from([4, ...new Uint8Array(12), ...fromHex(id)]),
    )
    expect(signatureOf(await open(messageOf(packet, data)))).toEqual(invalid)
  })

  test('row 23: a subkey that was replaced keeps what it signed before, however often it is asked', async () => {
    const revoked = await certificate(subkeys.softRevoked)
    const [signing] = secret.key.subkeys.filter(
      ({ bindingSignatures }) => bindingSignatures[0]?.embeddedSignature,
    )
    const signedAt = async (at: number) => {
      const data = await literal('hi')
      const packet = await signature(data, signing?.keyPacket as SecretSubkeyPacket, at, {})
      return signatureOf(await open(messageOf(packet, data), { sender: [revoked], now: LATER }))
    }
    for (let round = 0; round < 2; round++) {
      expect(await verdict(subkeys.signcrypt, [revoked])).toEqual(valid(revoked, Date.UTC(2026, 0, 15)))
      expect(await signedAt(Date.UTC(2026, 1, 28))).toMatchObject({ kind: 'valid' })
      expect(await signedAt(Date.UTC(2026, 2, 2))).toEqual(invalid)
    }
  })

  test('row 23: a key of which something was revoked is copied once for a message, not for each signature', async () => {
    const revoked = await certificate(subkeys.softRevoked)
    const [signing] = secret.key.subkeys.filter(
      ({ bindingSignatures }) => bindingSignatures[0]?.embeddedSignature,
    )
    const data = await literal('hi')
    const signedAt = (at: number) => signature(data, signing?.keyPacket as SecretSubkeyPacket, at, {})
    const [before, after] = [Date.UTC(2026, 1, 28), Date.UTC(2026, 2, 2)]
    const packets = [await signedAt(after), await signedAt(before), await signedAt(after)]
    const copied = vi.spyOn(revoked.key, 'write')
    const opened = await open(messageOf(...packets, data), { sender: [revoked], now: LATER })
    expect(signatureOf(opened)).toEqual(valid(revoked, before))
    expect(copied).toHaveBeenCalledTimes(1)
  })
})

describe('row 21: clocks', () => {
  test('a signature from an hour ahead, and from a second more', async () => {
    const message = await signcrypt(HELLO, romeo, [juliet.certificate], NOW + CLOCK_TOLERANCE_MS)
    expect(signatureOf(await open(message))).toEqual(valid(romeo, NOW + CLOCK_TOLERANCE_MS))
    expect(signatureOf(await open(message, { now: NOW - 1000 }))).toEqual(early)
  })

  test('a key that was made an hour ahead, and a minute more', async () => {
    const fast = await generateSecretKey(address('fast@example.org'), NOW + CLOCK_TOLERANCE_MS + MINUTE)
    const read = (now: number) => readCertificate(fast.certificate.bytes, undefined, now)
    const now = await read(NOW)
    expect(now).toMatchObject({ problem: undefined, userIds: ['xmpp:fast@example.org'] })
    expect(await open(await crypt(HELLO, [now, juliet.certificate], NOW), { own: [fast] })).toMatchObject({
      kind: 'opened',
    })
    expect(await read(NOW - MINUTE)).toMatchObject({ problem: 'certificate-expired' })
  })

  test('one who is an hour ahead does not make the key of another expire', async () => {
    const fast = await generateSecretKey(address('fast@example.org'), NOW + CLOCK_TOLERANCE_MS)
    const single = await readCertificate(bytes(vectors.single.cert), undefined, NOW)
    const expiry = single.expires?.getTime() ?? 0
    const faster = await generateSecretKey(address('faster@example.org'), expiry + 30 * MINUTE)
    const at = expiry - MINUTE
    const to = [faster, fast].map(({ certificate: { bytes: written } }) =>
      readCertificate(written, undefined, at),
    )
    const message = await crypt(HELLO, [...(await Promise.all(to)), single], at)
    const own = await readSecretKeys(bytes(vectors.single.secret), at)
    for (const keys of [own, [fast], [faster]])
      expect(await open(message, { own: keys, now: at })).toMatchObject({ kind: 'opened' })
  })

  test('our own clock went back: what we sign is as old as our key', async () => {
    const message = await sign(HELLO, romeo, NOW - 1_000_000 * MINUTE)
    expect(signatureOf(await open(message))).toEqual(valid(romeo, NOW - MINUTE))
  })
})

describe('row 22: certificates that were signed anew', async () => {
  const { extended } = vectors
  const january = Date.UTC(2026, 0, 15)
  const march = Date.UTC(2026, 2, 1)
  const [before, after] = await Promise.all([certificate(extended.before), certificate(extended.after)])

  test('row 22: older signatures are lost with the old certificate, and kept by merging', async () => {
    expect(await verdict(extended.message, [before])).toEqual(valid(before, january, ['certificate-expired']))
    expect(await verdict(extended.message, [after])).toEqual(invalid)
    for (const merged of [
      await mergeCertificates(before, after, LATER),
      await mergeCertificates(after, before, LATER),
    ]) {
      expect(merged).toMatchObject({ problem: undefined, expires: new Date(Date.UTC(2027, 5, 1, 12)) })
      expect(await verdict(extended.message, [merged])).toEqual(valid(merged, january))
      expect(await verdict(extended.later, [merged])).toEqual(valid(merged, march))
      const read = await readCertificate(merged.bytes, merged.fingerprint, LATER)
      expect(await verdict(extended.message, [read])).toEqual(valid(read, january))
    }
  })

  test('row 22: from the archive it counts, and says by what', async () => {
    expect(await verdict(extended.message, [after], true)).toEqual(
      valid(after, january, ['binding-reformatted']),
    )
    expect(await verdict(extended.later, [after], true)).toEqual(valid(after, march))
    // What is wrong in itself does not count there either.
    const other = await signature(await literal('other'), primaryOf(romeo), NOW, {})
    const message = messageOf(other, await literal('hello'))
    expect(signatureOf(await open(message, { isArchived: true }))).toEqual(invalid)
  })
})

describe('row 23: revoked and expired', () => {
  test.each(['hard', 'noreason'] as const)('row 23: %s: nothing that it ever signed counts', async (name) => {
    const { before, revoked, early: message } = vectors[`revoked-${name}`]
    const old = await certificate(before)
    expect(await verdict(message, [old])).toMatchObject({ kind: 'valid', warnings: [] })
    const now = await certificate(revoked)
    expect(now).toMatchObject({ revoked: 'hard', problem: 'certificate-revoked' })
    for (const sender of [
      now,
      await mergeCertificates(old, now, LATER),
      await mergeCertificates(now, old, LATER),
    ])
      expect([await verdict(message, [sender]), await verdict(message, [sender], true)]).toEqual([
        invalid,
        invalid,
      ])
  })

  test.each(['superseded', 'retired'] as const)('row 23: %s: what it signed before counts', async (name) => {
    const { revoked, early: message } = vectors[`revoked-${name}`]
    const sender = await certificate(revoked)
    expect(sender).toMatchObject({ revoked: 'soft', problem: 'certificate-revoked' })
    for (let round = 0; round < 2; round++)
      expect(await verdict(message, [sender])).toEqual(
        valid(sender, Date.UTC(2026, 0, 15), ['certificate-revoked']),
      )
  })

  test('row 23: SHA-1 is good enough to revoke', async () => {
    const [rsa] = (await readSecretKeys(bytes(vectors.rsa.secret), LATER)) as [SecretKey]
    const [primary, ...rest] = componentsOf(rsa.certificate.key)
    if (primary === undefined) throw new TypeError('no key')
    const revocation = await signature({ key: primary.head }, primaryOf(rsa), NOW, {
      signatureType: enums.signature.keyRevocation,
      hashAlgorithm: enums.hash.sha1,
      reasonForRevocationFlag: enums.reasonForRevocation.keyCompromised,
      reasonForRevocationString: '',
    })
    const key = publicKey([{ ...primary, signatures: [...primary.signatures, revocation] }, ...rest])
    const revoked = await readCertificate(key.write(), undefined, LATER)
    expect(revoked).toMatchObject({ revoked: 'hard', problem: 'certificate-revoked' })
    expect(await verdict(vectors.rsa.messages.signcrypt, [rsa.certificate])).toMatchObject({ kind: 'valid' })
    expect(await verdict(vectors.rsa.messages.signcrypt, [revoked])).toEqual(invalid)
  })

  test('row 23: what is signed after it was retired does not', async () => {
    const retired = await revokeSecretKey(romeo, 'retired', NOW + 60 * MINUTE)
    const packetAt = (at: number) => literal('hi').then((data) => signature(data, primaryOf(romeo), at, {}))
    const at = async (time: number) =>
      signatureOf(
        await open(messageOf(await packetAt(time), await literal('hi')), {
          sender: [retired.certificate],
          now: NOW + 120 * MINUTE,
        }),
      )
    expect(await at(NOW + 59 * MINUTE)).toMatchObject({ kind: 'valid' })
    expect(await at(NOW + 61 * MINUTE)).toEqual(invalid)
  })

  test('row 23: an expired key: what it signed before counts, and it decrypts', async () => {
    const single = await certificate(vectors.single.cert)
    expect(single.problem).toBe('certificate-expired')
    expect(await verdict(vectors.single.signcrypt, [single])).toEqual(
      valid(single, NOW, ['certificate-expired']),
    )
    const message = await crypt(HELLO, [await certificate(vectors.single.cert, NOW)], NOW)
    const own = await readSecretKeys(bytes(vectors.single.secret), LATER)
    expect(await open(message, { own, now: LATER })).toMatchObject({ kind: 'opened' })
  })
})

describe('algorithms', () => {
  test.each(['rsa1024', 'dsa'] as const)('row 28: %s does not sign', async (name) => {
    expect(await verdict(vectors.old[name].signcrypt, [await certificate(vectors.old[name].cert)])).toEqual(
      refused,
    )
  })

  test.each(['brainpool', 'secp256k1'] as const)('row 32: %s does not sign', async (name) => {
    expect(await verdict(vectors.old[name].signcrypt, [await certificate(vectors.old[name].cert)])).toEqual(
      refused,
    )
  })

  test('row 17: a key that is made by SHA-1 does not sign, and neither does SHA-1 by another', async () => {
    expect(await verdict(vectors.sha1.signcrypt, [await certificate(vectors.sha1.cert)])).toEqual(refused)
    for (const message of [vectors.rsa.messages.sha1, vectors.rsa.messages.ripemd])
      expect(await verdict(message, [await certificate(vectors.rsa.cert)])).toEqual(refused)
  })
})

describe('row 33: subpackets', () => {
  const recipient = ({ certificate: { fingerprint } }: SecretKey) =>
    Uint8Array.from([4, ...fromHex(fingerprint)])
  const verdictOn = async (type: number, body: Uint8Array) => {
    const { data, packet } = await withSubpacket(type, body)
    return Promise.all(
      [messageOf(packet, data), await encryptedTo(juliet, [packet, data])].map(async (message) =>
        signatureOf(await open(message, { sender: [mallory.certificate, romeo.certificate] })),
      ),
    )
  }
  const CRITICAL = 0x80

  test.each([0, CRITICAL])(
    'row 33: an intended recipient that is one of us, criticality %i',
    async (flag) => {
      expect(await verdictOn(35 | flag, recipient(juliet))).toEqual([valid(romeo, NOW), valid(romeo, NOW)])
    },
  )

  test.each([0, CRITICAL])(
    'row 33: an intended recipient that is somebody else, criticality %i',
    async (flag) => {
      expect(await verdictOn(35 | flag, recipient(mallory))).toEqual([invalid, invalid])
    },
  )

  test('row 33: what is not known is ignored, unless it is critical', async () => {
    expect(await verdictOn(100, HELLO)).toEqual([valid(romeo, NOW), valid(romeo, NOW)])
    expect(await verdictOn(100 | CRITICAL, HELLO)).toEqual([invalid, invalid])
    const notation = Uint8Array.from([0x80, 0, 0, 0, 0, 1, 0, 1, 0x61, 0x62])
    expect(await verdictOn(20, notation)).toEqual([valid(romeo, NOW), valid(romeo, NOW)])
    expect(await verdictOn(20 | CRITICAL, notation)).toEqual([invalid, invalid])
  })
})

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'))
}

/** By romeo, with a subpacket more in what is hashed (RFC 9580 §5.2.3.7), which openpgp itself would not write. */
async function withSubpacket(type: number, body: Uint8Array) {
  const data = await literal('hi')
  const packet = await signature(data, primaryOf(romeo), NOW, {
    writeHashedSubPackets(): Uint8Array {
      const written: Uint8Array = Object.getPrototypeOf(this).writeHashedSubPackets.call(this)
      const length = written.length - 2 + body.length + 2
      return Uint8Array.from([length >> 8, length & 255, ...written.slice(2), body.length + 1, type, ...body])
    },
  })
  return { data, packet }
}
