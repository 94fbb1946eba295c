import fc from 'fast-check'
import {
  type AnyPacket,
  config,
  createMessage,
  encrypt,
  enums,
  generateSessionKey,
  type Message,
  readMessage,
} from 'openpgp'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { MAX_CONTENT_BYTES } from '../src/elements/content.ts'
import { MAX_MESSAGE_BYTES } from '../src/elements/openpgp-element.ts'
import { readCertificate } from '../src/openpgp/certificate.ts'
import { crypt, sign, signcrypt } from '../src/openpgp/message.ts'
import { MAX_RSA_SESSION_KEYS, MAX_SESSION_KEYS, MAX_SIGNATURES } from '../src/openpgp/opening.ts'
import { readSecretKeys, type SecretKey } from '../src/openpgp/secret-key.ts'
import {
  bytes,
  compressed,
  encryptedTo,
  HELLO,
  joined,
  juliet,
  LATER,
  literal,
  mallory,
  messageOf,
  NOW,
  open,
  primaryOf,
  type Raw,
  rawPacket,
  rawPackets,
  reader,
  romeo,
  signature,
  signatureOf,
  signedPackets,
  textOf,
  valid,
  vectors,
} from './openpgp-fixtures.ts'

const damaged = { kind: 'failed', code: 'message-damaged' }
const malformed = { kind: 'failed', code: 'message-malformed' }
const refused = { kind: 'failed', code: 'algorithm-refused' }
const notForUs = { kind: 'failed', code: 'not-for-us' }
const tooBig = { kind: 'failed', code: 'message-too-big' }

const gpg = await readCertificate(bytes(vectors.gpg.cert), vectors.gpg.fingerprint, LATER)
const fromGpg = (message: string, own: readonly SecretKey[] = [reader]) =>
  open(bytes(message), { own, sender: [gpg], now: LATER })

afterEach(() => {
  vi.unstubAllGlobals()
})

describe('XEP-0373 §3.1: what is signed, encrypted, or both', () => {
  test('signcrypt is read by all it is for', async () => {
    const message = await signcrypt(HELLO, romeo, [juliet.certificate, romeo.certificate], NOW)
    for (const own of [[juliet], [romeo], [mallory, juliet]])
      expect(await open(message, { own })).toEqual({
        kind: 'opened',
        encrypted: true,
        signature: valid(romeo, NOW),
        plaintext: HELLO,
      })
    expect(await open(message, { own: [mallory] })).toEqual(notForUs)
    expect(await open(message, { own: [] })).toEqual(notForUs)
  })

  test('sign is not encrypted, crypt is not signed', async () => {
    expect(await open(await sign(HELLO, romeo, NOW))).toEqual({
      kind: 'opened',
      encrypted: false,
      signature: valid(romeo, NOW),
      plaintext: HELLO,
    })
    expect(await open(await crypt(HELLO, [juliet.certificate], NOW))).toEqual({
      kind: 'opened',
      encrypted: true,
      signature: { kind: 'none' },
      plaintext: HELLO,
    })
  })

  test('one packet for each recipient, then version 1 of SEIPD and nothing else', async () => {
    const message = await signcrypt(HELLO, romeo, [juliet.certificate, romeo.certificate], NOW)
    const { packets }: Message<Uint8Array> = await readMessage({ binaryMessage: message })
    const tags = packets.map((packet) => Object(packet).constructor.tag)
    const { publicKeyEncryptedSessionKey, symEncryptedIntegrityProtectedData } = enums.packet
    expect(tags).toEqual([
      publicKeyEncryptedSessionKey,
      publicKeyEncryptedSessionKey,
      symEncryptedIntegrityProtectedData,
    ])
    expect(Object(packets[2]).version).toBe(1)
  })

  test('any bytes come out as they went in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (plaintext) => {
        const opened = await open(await signcrypt(plaintext, romeo, [juliet.certificate], NOW))
        expect(opened).toMatchObject({ kind: 'opened', plaintext, signature: { kind: 'valid' } })
      }),
      { numRuns: 10 },
    )
  })
})

describe('messages of other programs', () => {
  const { messages } = vectors.gpg

  test.each([
    'signcrypt',
    'for-two',
    'compressed-zip',
    'compressed-zlib',
    'compressed-bzip2',
    'uncompressed',
    '3des',
    'cast5',
    'hash-sha256',
    'hash-sha384',
  ] as const)('GnuPG %s is opened and verified', async (name) => {
    const opened = await fromGpg(messages[name])
    expect(opened).toMatchObject({ encrypted: true, signature: valid(gpg, NOW) })
    expect(textOf(opened)).toBe(vectors.plaintext)
  })

  test.each(['hidden', 'hidden-and-named'] as const)(
    'GnuPG %s: a recipient that is not named',
    async (name) => {
      expect(await fromGpg(messages[name])).toMatchObject({ kind: 'opened', signature: valid(gpg, NOW) })
      expect(await fromGpg(messages[name], [juliet])).toEqual(notForUs)
      expect(await fromGpg(messages['hidden-other'])).toEqual(notForUs)
      expect(await fromGpg(messages['other-only'])).toEqual(notForUs)
    },
  )

  test('recipients that we hide are found by their own keys only', async () => {
    const message = await encryptedTo(juliet, await signedPackets('hi', romeo), { wildcard: true })
    expect(textOf(await open(message))).toBe('hi')
    expect(textOf(await open(message, { own: [mallory, juliet] }))).toBe('hi')
    expect(await open(message, { own: [mallory] })).toEqual(notForUs)
  })

  test('GnuPG sign and crypt', async () => {
    expect(await fromGpg(messages.sign)).toMatchObject({ encrypted: false, signature: valid(gpg, NOW) })
    expect(await fromGpg(messages.crypt)).toMatchObject({ encrypted: true, signature: { kind: 'none' } })
  })

  test('Sequoia, PGPainless and RNP; what signs is a subkey', async () => {
    for (const { cert, signcrypt: encrypted, sign: signed } of [vectors.sq, vectors.pgpainless]) {
      const certificate = await readCertificate(bytes(cert), undefined, LATER)
      const options = { own: [reader], sender: [certificate], now: LATER }
      const expected = { kind: 'valid', fingerprint: certificate.fingerprint, warnings: [] }
      expect(await open(bytes(encrypted), options)).toMatchObject({ encrypted: true, signature: expected })
      expect(await open(bytes(signed), options)).toMatchObject({ encrypted: false, signature: expected })
      const [issuer] = (await readMessage({ binaryMessage: bytes(signed), config })).getSigningKeyIDs()
      expect(issuer?.toHex()).not.toBe(certificate.fingerprint.slice(-16))
    }
    for (const message of [vectors.rnp.ocb, vectors.rnp.cfb])
      expect(textOf(await fromGpg(message))).toBe(vectors.plaintext)
  })

  test.each(['twofish', 'camellia', 'idea', 'blowfish'] as const)('%s is refused as such', async (name) => {
    expect(await fromGpg(messages[name])).toEqual(refused)
  })

  test('row 13: a signature over text is none over bytes', async () => {
    expect(signatureOf(await fromGpg(messages.textmode))).toEqual({
      kind: 'invalid',
      code: 'signature-invalid',
    })
  })

  test.each(['hash-sha1', 'hash-ripemd160', 'hash-sha224'] as const)(
    'row 17: %s does not sign',
    async (name) => {
      expect(signatureOf(await fromGpg(messages[name]))).toEqual({
        kind: 'invalid',
        code: 'algorithm-refused',
      })
    },
  )

  test('row 29: RSA is opened in constant time, hidden and with old ciphers too', async () => {
    const [rsa] = (await readSecretKeys(bytes(vectors.rsa.secret), LATER)) as [SecretKey]
    for (const name of ['to-rsa', 'to-rsa-3des', 'to-rsa-hidden'] as const)
      expect(textOf(await fromGpg(vectors.rsa.messages[name], [rsa]))).toBe(vectors.plaintext)
    expect(signatureOf(await fromGpg(vectors.rsa.messages['to-rsa'], [rsa]))).toEqual(valid(gpg, NOW))
  })
})

describe('row 10: what anybody can have changed (EFAIL)', () => {
  test('a message without integrity protection is not even decrypted', async () => {
    expect(await fromGpg(vectors.gpg.messages['no-integrity'])).toEqual(damaged)
  })

  test('its protection taken away: the data as a packet of the old kind', async () => {
    const message = await signcrypt(HELLO, romeo, [juliet.certificate], NOW)
    const [key, data] = rawPackets(message) as [Raw, Raw]
    // Without the version; with the code at the end, and without its 22 bytes.
    for (const end of [data.body.length, data.body.length - 22])
      expect(await open(joined(key.whole, rawPacket(9, data.body.slice(1, end))))).toEqual(damaged)
    // What openpgp says when it is allowed to: there is something to decrypt.
    expect(await open(joined(key.whole, data.whole))).toMatchObject({ kind: 'opened' })
  })

  test('one bit of every byte', async () => {
    const message = await signcrypt(HELLO, romeo, [juliet.certificate], NOW)
    for (let at = 0; at < message.length; at++)
      for (const bit of [0x01, 0x80]) {
        const changed = message.slice()
        changed[at] = (changed[at] ?? 0) ^ bit
        const opened = await open(changed)
        // What says in which form a point is written is the one byte that does not matter, nor does it change anything.
        if (opened.kind === 'opened')
          expect([textOf(opened), signatureOf(opened)]).toEqual(['hello', valid(romeo, NOW)])
        else expect(opened.kind).toBe('failed')
      }
  })

  test('one bit of every byte of a signed one', async () => {
    const message = await sign(HELLO, romeo, NOW)
    for (let at = 0; at < message.length; at++) {
      const changed = message.slice()
      changed[at] = (changed[at] ?? 0) ^ 0x01
      const opened = await open(changed)
      if (signatureOf(opened)?.kind === 'valid') expect(textOf(opened)).toBe('hello')
    }
  })

  test('every length that is too short, and what is no message', async () => {
    const message = await signcrypt(HELLO, romeo, [juliet.certificate], NOW)
    for (let length = 0; length < message.length; length++)
      expect((await open(message.slice(0, length))).kind).toBe('failed')
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (noise) => {
        expect((await open(noise)).kind).not.toBe('locked')
      }),
    )
    expect(await open(joined(message, Uint8Array.of(0)))).toMatchObject({ kind: 'failed' })
    expect(await open(joined(message, message))).toEqual(malformed)
  })

  test("openpgp's own global configuration changes nothing", async () => {
    const before = { ...config }
    const withEvil = messageOf(...(await signedPackets('good', romeo)), compressed(await literal('EVIL')))
    try {
      Object.assign(config, {
        allowUnauthenticatedMessages: true,
        enforceGrammar: false,
        maxDecompressedMessageSize: Number.POSITIVE_INFINITY,
        rejectMessageHashAlgorithms: new Set(),
        rejectHashAlgorithms: new Set(),
        minRSABits: 0,
      })
      expect(await fromGpg(vectors.gpg.messages['no-integrity'])).toEqual(damaged)
      expect(await open(withEvil)).toEqual(malformed)
      expect(signatureOf(await fromGpg(vectors.gpg.messages['hash-sha1']))).toMatchObject({ kind: 'invalid' })
    } finally {
      Object.assign(config, before)
    }
  })
})

describe('row 11: CVE-2025-47934, what stands beside a signed message', async () => {
  const good = await signedPackets('good', romeo)
  const evil = await literal('EVIL')
  const [onePass, text, signed] = good as readonly [AnyPacket, AnyPacket, AnyPacket]
  // Anew for each use: writing a packed packet uses it up.
  const variants: Readonly<Record<string, () => readonly AnyPacket[]>> = {
    'good, then packed': () => [...good, compressed(evil)],
    'packed, then good': () => [compressed(evil), ...good],
    'text, then good': () => [evil, ...good],
    'good, then text': () => [...good, evil],
    'two packed ones': () => [compressed(...good), compressed(evil)],
    'two packed ones, the other way': () => [compressed(evil), compressed(...good)],
    'packed: good, then text': () => [compressed(...good, evil)],
    'packed: text, then good': () => [compressed(evil, ...good)],
    'two texts under one signature': () => [onePass, text, evil, signed],
    'two texts under one signature, the other way': () => [onePass, evil, text, signed],
    'packed within the signature': () => [onePass, text, compressed(evil), signed],
    'packed twice': () => [compressed(compressed(...good))],
    'a signature without a one-pass signature': () => [text, signed],
    'a one-pass signature without a signature': () => [onePass, text],
  }

  test.each(Object.entries(variants))('row 11: %s', async (_, packets) => {
    expect(await open(messageOf(...packets()))).toEqual(malformed)
    expect(await open(await encryptedTo(juliet, packets()))).toEqual(malformed)
  })

  test('what may be: packed as a whole, and the signature first', async () => {
    for (const packets of [[compressed(...good)], [signed, text]]) {
      const opened = await open(await encryptedTo(juliet, packets))
      expect([textOf(opened), signatureOf(opened)]).toEqual(['good', valid(romeo, NOW)])
    }
  })

  test('an encrypted message within an encrypted one', async () => {
    const inner = await createMessage({ binary: HELLO })
    const { key, certificate } = romeo
    const sessionKey = await generateSessionKey({
      encryptionKeys: certificate.key,
      date: new Date(NOW),
    })
    const date = new Date(NOW)
    const { packets } = await encrypt({
      message: inner,
      sessionKey,
      signingKeys: key,
      date,
      format: 'object',
    })
    expect((await open(await encryptedTo(juliet, packets as readonly AnyPacket[]))).kind).toBe('failed')
  })
})

test('row 12: CVE-2023-41037, a message in the cleartext framework is none', async () => {
  const framed =
    '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nhello\n-----BEGIN PGP SIGNATURE-----\n\n'
  expect(await open(new TextEncoder().encode(framed))).toEqual(malformed)
})

describe('row 13: a signature of another type', () => {
  const types = [
    enums.signature.standalone,
    enums.signature.certGeneric,
    enums.signature.certPositive,
    enums.signature.subkeyBinding,
    enums.signature.key,
    enums.signature.thirdParty,
  ]
  test.each(types)('0x%i does not sign a message', async (signatureType) => {
    const data = await literal('hi')
    // Over the same bytes as one that counts.
    const packet = await signature(data, primaryOf(romeo), NOW, {
      signatureType,
      toSign: () => new TextEncoder().encode('hi'),
    })
    for (const message of [messageOf(packet, data), await encryptedTo(juliet, [packet, data])])
      expect(signatureOf(await open(message))).toEqual({ kind: 'none' })
  })
})

describe('row 18: limits', () => {
  test('row 18: 8 MB of zeros in 8 kB are not unpacked', async () => {
    const zeros = await literal('\0'.repeat(8_000_000))
    expect(await open(messageOf(compressed(zeros)))).toEqual(tooBig)
    const encrypted = await encryptedTo(juliet, [compressed(zeros)])
    expect(encrypted.length).toBeLessThan(20_000)
    expect(await open(encrypted)).toEqual(tooBig)
    // What is in it does not matter: nobody looks.
    const broken = () => compressed(zeros, zeros)
    expect(await open(messageOf(broken()))).toEqual(tooBig)
    expect(await open(await encryptedTo(juliet, [broken()]))).toEqual(tooBig)
  })

  test('a content of the greatest length, and of one byte more', async () => {
    const most = new Uint8Array(MAX_CONTENT_BYTES).fill(32)
    expect(await open(await signcrypt(most, romeo, [juliet.certificate], NOW))).toMatchObject({
      kind: 'opened',
      signature: valid(romeo, NOW),
    })
    const more = new Uint8Array(MAX_CONTENT_BYTES + 1).fill(32)
    expect(await open(await crypt(more, [juliet.certificate], NOW))).toEqual(tooBig)
    expect(await open(new Uint8Array(MAX_MESSAGE_BYTES + 1))).toEqual(tooBig)
  })

  test('as many signatures as are looked at, and one more', async () => {
    const data = await literal('hi')
    const packet = await signature(data, primaryOf(romeo), NOW, {})
    const times = (count: number) => messageOf(...Array.from({ length: count }, () => packet), data)
    expect(signatureOf(await open(times(MAX_SIGNATURES)))).toEqual(valid(romeo, NOW))
    expect(await open(times(MAX_SIGNATURES + 1))).toEqual(malformed)
  })

  test('as many hidden recipients as are tried, and one more', async () => {
    const ours = await encryptedTo(juliet, [await literal('hi')], { wildcard: true })
    const [theirs] = rawPackets(await encryptedTo(mallory, [await literal('hi')], { wildcard: true })) as [
      Raw,
    ]
    const before = (count: number) => joined(...Array.from({ length: count }, () => theirs.whole), ours)
    expect(textOf(await open(before(MAX_SESSION_KEYS - 1)))).toBe('hi')
    expect(await open(before(MAX_SESSION_KEYS))).toEqual(notForUs)
  })

  test.each([true, false])('as many of RSA as are tried, and one more: hidden: %s', async (wildcard) => {
    const [rsa] = (await readSecretKeys(bytes(vectors.rsa.secret), LATER)) as [SecretKey]
    const ours = await encryptedTo(rsa, [await literal('hi')], { wildcard })
    const [theirs] = rawPackets(await encryptedTo(rsa, [await literal('other')], { wildcard })) as [Raw]
    const before = (count: number) => joined(...Array.from({ length: count }, () => theirs.whole), ours)
    const opened = (count: number) => open(before(count), { own: [rsa], now: LATER })
    expect(textOf(await opened(MAX_RSA_SESSION_KEYS - 1))).toBe('hi')
    expect(textOf(await opened(MAX_RSA_SESSION_KEYS))).toBeUndefined()
  })

  test('a hidden recipient of RSA costs those nothing who have no such key', async () => {
    const [rsa] = (await readSecretKeys(bytes(vectors.rsa.secret), LATER)) as [SecretKey]
    const ours = await encryptedTo(juliet, [await literal('hi')], { wildcard: true })
    const [theirs] = rawPackets(await encryptedTo(rsa, [await literal('hi')], { wildcard: true })) as [Raw]
    const flood = joined(...Array.from({ length: MAX_SESSION_KEYS }, () => theirs.whole), ours)
    expect(textOf(await open(flood))).toBe('hi')
    expect(await open(flood, { own: [rsa], now: LATER })).not.toMatchObject({ kind: 'opened' })
  })
})

describe('passwords', () => {
  test('a message under a password is for nobody, whatever its derivation would cost', async () => {
    expect(await fromGpg(vectors.gpg.messages.password)).toEqual(notForUs)
    // Version 4, AES-256, Argon2 with 2 TiB.
    const costly = rawPacket(3, Uint8Array.from([4, 9, 4, ...new Uint8Array(16), 255, 255, 31]))
    const [, data] = rawPackets(await signcrypt(HELLO, romeo, [juliet.certificate], NOW)) as [Raw, Raw]
    expect(await open(joined(costly, data.whole))).toEqual(notForUs)
  })

  test('beside our key a password is ignored', async () => {
    const costly = rawPacket(3, Uint8Array.from([4, 9, 4, ...new Uint8Array(16), 255, 255, 31]))
    const message = joined(costly, await signcrypt(HELLO, romeo, [juliet.certificate], NOW))
    expect(textOf(await open(message))).toBe('hello')
  })
})

test('a locked key is named, and an unlocked one beside it is used', async () => {
  const locked: SecretKey = { ...romeo, isLocked: true }
  const message = await signcrypt(HELLO, romeo, [juliet.certificate, romeo.certificate], NOW)
  expect(await open(message, { own: [locked] })).toEqual({
    kind: 'locked',
    fingerprints: [romeo.certificate.fingerprint],
  })
  expect(textOf(await open(message, { own: [locked, juliet] }))).toBe('hello')
})

test('without WebCrypto nothing is opened', async () => {
  const message = await signcrypt(HELLO, romeo, [juliet.certificate], NOW)
  vi.stubGlobal('crypto', undefined)
  expect(await open(message)).toEqual({ kind: 'failed', code: 'crypto-unavailable' })
  await expect(sign(HELLO, romeo, NOW)).rejects.toMatchObject({ code: 'crypto-unavailable' })
})
