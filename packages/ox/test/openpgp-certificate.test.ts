import * as openpgp from 'openpgp'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { cacheByBytes } from '../src/openpgp/cache.ts'
import {
  belongsTo,
  type Certificate,
  MAX_CACHED_CERTIFICATE_BYTES,
  MAX_CERTIFICATE_BYTES,
  mergeCertificates,
  readCertificate,
} from '../src/openpgp/certificate.ts'
import { STRICT } from '../src/openpgp/config.ts'
import { crypt, signcrypt } from '../src/openpgp/message.ts'
import { componentsOf, publicKey } from '../src/openpgp/packets.ts'
import { generateSecretKey, readSecretKeys } from '../src/openpgp/secret-key.ts'
import {
  address,
  bytes,
  HELLO,
  joined,
  juliet,
  LATER,
  MINUTE,
  mallory,
  NOW,
  open,
  primaryOf,
  rawPacket,
  rawPackets,
  romeo,
  signature,
  signatureOf,
  valid,
  vectors,
} from './openpgp-fixtures.ts'

const parses = vi.hoisted(() => ({ count: 0 }))
vi.mock('openpgp', async (original) => {
  const real = await original<typeof openpgp>()
  const readKeys: (options: { binaryKeys: Uint8Array }) => Promise<openpgp.Key[]> = (options) => {
    parses.count++
    return real.readKeys(options)
  }
  return { ...real, readKeys }
})

afterEach(() => {
  vi.unstubAllGlobals()
})

const { enums } = openpgp
const certificate = (base64: string, now = LATER) => readCertificate(bytes(base64), undefined, now)
const read = (data: Uint8Array, fingerprint?: string) => readCertificate(data, fingerprint, NOW)
const malformed = { name: 'OxError', code: 'certificate-malformed' }

describe('row 3: user IDs that their owner has not signed', async () => {
  const mallorys = mallory.certificate
  const spliced = (...packets: readonly Uint8Array[]) => {
    const [primary, userId, self, ...rest] = rawPackets(mallorys.bytes)
    const others = [userId, self, ...rest].flatMap((packet) => (packet === undefined ? [] : [packet.whole]))
    return joined(primary?.whole ?? HELLO, ...packets, ...others)
  }
  const romeoId = rawPacket(13, new TextEncoder().encode('xmpp:romeo@montague.lit'))
  const [, , romeoSelf] = rawPackets(romeo.certificate.bytes)

  test('row 3: one without a signature, or with one of somebody else’s, is none', async () => {
    for (const data of [spliced(romeoId), spliced(romeoId, romeoSelf?.whole ?? HELLO)]) {
      const key = await openpgp.readKey({ binaryKey: data })
      expect(key.getUserIDs()).toContain('xmpp:romeo@montague.lit')
      const found = await read(data)
      expect(found.userIds).toEqual(['xmpp:mallory@example.org'])
      expect(belongsTo(found, address('romeo@montague.lit'))).toBe(false)
      expect(belongsTo(found, address('mallory@example.org'))).toBe(true)
    }
  })

  test('row 3: the signature of another user ID is not its own', async () => {
    const [, , self] = rawPackets(mallorys.bytes)
    expect((await read(spliced(romeoId, self?.whole ?? HELLO))).userIds).toEqual(['xmpp:mallory@example.org'])
  })

  test('row 3: one that was revoked is none', async () => {
    const components = componentsOf(mallorys.key)
    const user = components.find(({ head }) => head instanceof openpgp.UserIDPacket)
    const data = { userID: user?.head, key: primaryOf(mallory) }
    const revocation = await signature(data, primaryOf(mallory), NOW, {
      signatureType: enums.signature.certRevocation,
      reasonForRevocationFlag: enums.reasonForRevocation.userIDInvalid,
      reasonForRevocationString: '',
    })
    const key = publicKey(
      components.map((one) => (one === user ? { ...one, signatures: [...one.signatures, revocation] } : one)),
    )
    expect((await read(key.write())).userIds).toEqual([])
  })
})

describe('row 4: which certificate it is', () => {
  const { fingerprint } = romeo.certificate

  test('row 4: the one that was asked for, in either case, among others', async () => {
    const both = joined(mallory.certificate.bytes, romeo.certificate.bytes)
    expect((await read(both, fingerprint)).fingerprint).toBe(fingerprint)
    expect((await read(both, fingerprint.toUpperCase())).bytes).toEqual(romeo.certificate.bytes)
    expect((await read(both)).fingerprint).toBe(mallory.certificate.fingerprint)
    await expect(read(both, juliet.certificate.fingerprint)).rejects.toMatchObject({
      name: 'OxError',
      code: 'fingerprint-mismatch',
    })
  })

  test('row 4: armored, as some publish it', async () => {
    const armored = new TextEncoder().encode(romeo.certificate.key.armor())
    expect(await read(armored, fingerprint)).toMatchObject({ bytes: romeo.certificate.bytes })
    expect(await read(joined(armored, armored), fingerprint)).toMatchObject({ fingerprint })
  })

  test('rows 4 and 27: secret keys are no certificate, alone, among others, and armored', async () => {
    for (const data of [
      romeo.bytes,
      joined(romeo.certificate.bytes, mallory.bytes),
      joined(mallory.bytes, romeo.certificate.bytes),
      new TextEncoder().encode(romeo.key.armor()),
      // A secret subkey under a public primary key.
      joined(romeo.certificate.bytes, rawPackets(romeo.bytes)[3]?.whole ?? HELLO),
    ])
      await expect(read(data, fingerprint)).rejects.toMatchObject(malformed)
  })

  test('row 27: what is published of a secret key has no secret packet', async () => {
    const keys = [romeo, ...(await readSecretKeys(bytes(vectors.sq.secret), LATER))]
    for (const { certificate: published } of keys) {
      const tags = rawPackets(published.bytes).map(({ tag }) => tag)
      expect(tags).not.toContain(enums.packet.secretKey)
      expect(tags).not.toContain(enums.packet.secretSubkey)
    }
  })

  test('what is no certificate', async () => {
    for (const data of [
      new Uint8Array(),
      HELLO,
      new TextEncoder().encode(
        '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!\n-----END PGP PUBLIC KEY BLOCK-----\n',
      ),
      romeo.certificate.bytes.slice(0, 40),
      bytes(vectors.gpg.messages.sign),
    ])
      await expect(read(data)).rejects.toMatchObject({ name: 'OxError' })
    for (let length = 0; length < romeo.certificate.bytes.length; length++)
      await read(romeo.certificate.bytes.slice(0, length)).catch(({ name }) => expect(name).toBe('OxError'))
  })

  test('one bit of every byte: it is another key, or less of this one', async () => {
    const { bytes: written } = romeo.certificate
    for (let at = 0; at < written.length; at++) {
      const changed = written.slice()
      changed[at] = (changed[at] ?? 0) ^ 1
      const userIds = await read(changed, fingerprint).then(
        (found) => found.userIds,
        ({ name }) => [name],
      )
      expect([[], ['OxError'], ['xmpp:romeo@montague.lit']]).toContainEqual(userIds)
    }
  })

  test('as long as it may be, and a byte more', async () => {
    const padding = (length: number) => rawPacket(60, new Uint8Array(length))
    const rest = MAX_CERTIFICATE_BYTES - romeo.certificate.bytes.length - 6
    expect(await read(joined(romeo.certificate.bytes, padding(rest)))).toMatchObject({ fingerprint })
    await expect(read(joined(romeo.certificate.bytes, padding(rest + 1)))).rejects.toMatchObject(malformed)
  })

  test('without WebCrypto', async () => {
    vi.stubGlobal('crypto', {})
    await expect(read(romeo.certificate.bytes)).rejects.toMatchObject({ code: 'crypto-unavailable' })
  })
})

describe('what others have certified', () => {
  test('is left out', async () => {
    const by = { signingKeys: [mallory.key], date: new Date(NOW) }
    const certified = await romeo.certificate.key.signAllUsers(by.signingKeys, by.date, STRICT)
    expect(certified.write().length).toBeGreaterThan(romeo.certificate.bytes.length)
    expect(await read(certified.write())).toMatchObject({ bytes: romeo.certificate.bytes })
  })
})

describe('why a certificate is not used', () => {
  test.each([
    ['rsa1024', 'algorithm-refused'],
    ['dsa', 'algorithm-refused'],
    ['brainpool', 'algorithm-refused'],
    ['secp256k1', 'algorithm-refused'],
    ['p256', undefined],
  ] as const)('rows 28 and 32: %s: %s', async (name, problem) => {
    expect((await certificate(vectors.old[name].cert)).problem).toBe(problem)
  })

  test('row 17: made by SHA-1', async () => {
    expect(await certificate(vectors.sha1.cert)).toMatchObject({ problem: 'algorithm-refused', userIds: [] })
  })

  test('row 23: expired', async () => {
    const { expires } = await certificate(vectors.single.cert)
    const at = expires?.getTime() ?? 0
    expect((await certificate(vectors.single.cert, at - 1000)).problem).toBeUndefined()
    expect((await certificate(vectors.single.cert, at)).problem).toBe('certificate-expired')
  })

  test('the same certificate at many times, in any order', async () => {
    const { before, revoked } = vectors['revoked-retired']
    const march = Date.UTC(2026, 2, 1)
    const old = await certificate(before)
    const both = (await mergeCertificates(old, await certificate(revoked), LATER)).bytes
    const problems = async (data: Uint8Array, ...times: readonly number[]) => {
      const found: unknown[] = []
      for (const time of times) found.push((await readCertificate(data, undefined, time)).problem)
      return found
    }
    const hour = 60 * MINUTE
    expect(await problems(both, march - hour - 1, march - hour, march, march - hour - 1, LATER)).toEqual([
      undefined,
      'certificate-revoked',
      'certificate-revoked',
      undefined,
      'certificate-revoked',
    ])
    const made = old.created.getTime()
    expect(await problems(both, made - hour - 1, made - hour, made, made - hour - 1)).toEqual([
      'certificate-expired',
      undefined,
      undefined,
      'certificate-expired',
    ])
  })

  test('row 23: nothing that encrypts', async () => {
    const [primary, userId, self] = rawPackets(romeo.certificate.bytes)
    const data = joined(...[primary, userId, self].map((packet) => packet?.whole ?? HELLO))
    expect(await read(data)).toMatchObject({ problem: 'encryption-key-missing' })
    expect(await read(primary?.whole ?? HELLO)).toMatchObject({ problem: 'user-id-missing', userIds: [] })
  })

  test('of an algorithm of the future', async () => {
    const body = Uint8Array.from([4, 0x69, 0, 0, 0, 107, ...new Uint8Array(64)])
    await expect(read(rawPacket(6, body))).rejects.toMatchObject({ code: 'algorithm-refused' })
  })
})

describe('version 6 of keys', () => {
  test('are read, encrypted to, and believed; never made', async () => {
    const { privateKey } = await openpgp.generateKey({
      type: 'curve25519',
      userIDs: [{ name: 'xmpp:six@example.org' }],
      date: new Date(NOW - MINUTE),
      format: 'object',
      config: { ...STRICT, v6Keys: true },
    })
    const [six] = await readSecretKeys(privateKey.write(), NOW)
    if (six === undefined) throw new TypeError('no key')
    expect(six.certificate).toMatchObject({ problem: undefined, userIds: ['xmpp:six@example.org'] })
    expect(six.certificate.fingerprint).toMatch(/^[0-9a-f]{64}$/)
    const message = await signcrypt(HELLO, six, [six.certificate, juliet.certificate], NOW)
    for (const own of [[six], [juliet]])
      expect(signatureOf(await open(message, { own, sender: [six.certificate] }))).toEqual(valid(six, NOW))
    expect((await generateSecretKey(address('a@example.org'), NOW)).certificate.fingerprint).toMatch(
      /^[0-9a-f]{40}$/,
    )
  })
})

describe('ciphers', () => {
  test('AES-256, unless one of the recipients has only the one that all must have', async () => {
    const components = componentsOf(mallory.certificate.key)
    const user = components.find(({ head }) => head instanceof openpgp.UserIDPacket)
    const self = await signature({ userID: user?.head, key: primaryOf(mallory) }, primaryOf(mallory), NOW, {
      signatureType: enums.signature.certPositive,
      keyFlags: Uint8Array.of(enums.keyFlags.certifyKeys | enums.keyFlags.signData),
      preferredSymmetricAlgorithms: [enums.symmetric.aes128],
    })
    const key = publicKey(components.map((one) => (one === user ? { ...one, signatures: [self] } : one)))
    const old = await read(key.write())
    const cipherOf = async (to: readonly Certificate[]) => {
      const message: openpgp.Message<Uint8Array> = await openpgp.readMessage({
        binaryMessage: await crypt(HELLO, [juliet.certificate, ...to], NOW),
      })
      const [found] = await openpgp.decryptSessionKeys({
        message,
        decryptionKeys: juliet.key,
        date: new Date(NOW),
      })
      return found?.algorithm
    }
    expect([await cipherOf([]), await cipherOf([romeo.certificate]), await cipherOf([old])]).toEqual([
      'aes256',
      'aes256',
      'aes128',
    ])
  })
})

describe('row 22: merging', () => {
  test('is a union, in whatever order and however often', async () => {
    const [before, after] = await Promise.all([
      certificate(vectors.extended.before),
      certificate(vectors.extended.after),
    ])
    const merged = await mergeCertificates(before, after, LATER)
    expect((await mergeCertificates(after, before, LATER)).bytes).toEqual(merged.bytes)
    expect((await mergeCertificates(merged, before, LATER)).bytes).toEqual(merged.bytes)
    expect((await mergeCertificates(merged, merged, LATER)).bytes).toEqual(merged.bytes)
    expect((await mergeCertificates(before, before, LATER)).bytes).toEqual(before.bytes)
  })

  test('a binding that its owner has not signed replaces none', async () => {
    // As openpgp's own update would have it: it looks at the date alone.
    const components = componentsOf(romeo.certificate.key)
    const subkey = components.at(-1)
    const forged = await signature({ key: primaryOf(romeo), bind: subkey?.head }, primaryOf(mallory), NOW, {
      signatureType: enums.signature.subkeyBinding,
      keyFlags: Uint8Array.of(enums.keyFlags.encryptCommunication),
    })
    forged.issuerKeyID = primaryOf(romeo).getKeyID()
    const key = publicKey(components.map((one) => (one === subkey ? { ...one, signatures: [forged] } : one)))
    const served = await read(key.write())
    expect(served.problem).toBe('encryption-key-missing')
    const merged = await mergeCertificates(romeo.certificate, served, NOW)
    expect(merged).toMatchObject({ problem: undefined, bytes: romeo.certificate.bytes })
  })

  test('a signature with something else beside it is the same', async () => {
    const [primary, userId, self, ...rest] = rawPackets(romeo.certificate.bytes)
    if (self === undefined) throw new TypeError('no signature')
    const hashed = 6 + ((self.body[4] ?? 0) << 8) + (self.body[5] ?? 0)
    const unhashed = Uint8Array.from([0, 3, 2, 100, 7])
    const had = 2 + ((self.body[hashed] ?? 0) << 8) + (self.body[hashed + 1] ?? 0)
    const body = joined(self.body.slice(0, hashed), unhashed, self.body.slice(hashed + had))
    const parts = [primary, userId, { whole: rawPacket(2, body) }, ...rest]
    const served = await read(joined(...parts.map((packet) => packet?.whole ?? HELLO)))
    expect(served.userIds).toEqual(romeo.certificate.userIds)
    expect((await mergeCertificates(romeo.certificate, served, NOW)).bytes).toEqual(romeo.certificate.bytes)
  })

  test('what was revoked stays so', async () => {
    const { before, revoked } = vectors['revoked-hard']
    const [old, now] = await Promise.all([certificate(before), certificate(revoked)])
    expect(await mergeCertificates(now, old, LATER)).toMatchObject({ revoked: 'hard' })
    expect(await mergeCertificates(old, now, LATER)).toMatchObject({ revoked: 'hard' })
  })
})

describe('what was parsed is kept', () => {
  test('twenty recipients are parsed once, not with each message', async () => {
    const keys = await Promise.all(
      Array.from({ length: 20 }, (_, index) => generateSecretKey(address(`r${index}@example.org`), NOW)),
    )
    const written = keys.map((key) => key.certificate.bytes)
    const all = (): Promise<readonly Certificate[]> => Promise.all(written.map((data) => read(data.slice())))
    await all()
    parses.count = 0
    for (let round = 0; round < 3; round++) await crypt(HELLO, await all(), NOW)
    expect(parses.count).toBe(0)
    await read(joined(written[0] ?? HELLO, written[1] ?? HELLO))
    expect(parses.count).toBe(1)
  })

  test('for as long as it fits, those that were used last', async () => {
    const cache = cacheByBytes<string>(10)
    const data = (byte: number, length = 4) => new Uint8Array(length).fill(byte)
    for (const byte of [1, 2]) await cache.set(data(byte), Promise.resolve(`${byte}`))
    expect(await cache.get(data(1))).toBe('1')
    await cache.set(data(3), Promise.resolve('3'))
    expect([cache.get(data(2)), await cache.get(data(1)), await cache.get(data(3))]).toEqual([
      undefined,
      '1',
      '3',
    ])
    await cache.set(data(4, 10), Promise.resolve('4'))
    expect([cache.get(data(1)), await cache.get(data(4, 10))]).toEqual([undefined, '4'])
    await cache.set(data(5, 11), Promise.resolve('5'))
    expect([cache.get(data(5, 11)), await cache.get(data(4, 10))]).toEqual([undefined, '4'])
  })

  test('but no failure, and no bytes that are changed afterwards', async () => {
    const cache = cacheByBytes<string>(10)
    await expect(cache.set(HELLO, Promise.reject(new TypeError('no')))).rejects.toThrow('no')
    expect(cache.get(HELLO)).toBeUndefined()
    const data = HELLO.slice()
    await cache.set(data, Promise.resolve('hello'))
    data[0] = 0
    expect([await cache.get(HELLO), cache.get(data)]).toEqual(['hello', undefined])
    expect(MAX_CACHED_CERTIFICATE_BYTES).toBeGreaterThan(MAX_CERTIFICATE_BYTES)
  })
})
