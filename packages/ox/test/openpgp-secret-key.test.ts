import { enums, generateKey } from 'openpgp'
import { describe, expect, test } from 'vitest'
import { userIdsOf } from '../src/elements/user-id.ts'
import { openBackup, sealBackup } from '../src/openpgp/backup.ts'
import { readCertificate } from '../src/openpgp/certificate.ts'
import { STRICT } from '../src/openpgp/config.ts'
import { crypt, sign, signcrypt } from '../src/openpgp/message.ts'
import {
  adaptSecretKey,
  generateSecretKey,
  protectSecretKey,
  readSecretKeys,
  revokeSecretKey,
  type SecretKey,
  unlockSecretKey,
} from '../src/openpgp/secret-key.ts'
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
  rawPacket,
  rawPackets,
  reader,
  romeo,
  signatureOf,
  textOf,
  valid,
  vectors,
} from './openpgp-fixtures.ts'

const one = async (base64: string, now = LATER): Promise<SecretKey> => {
  const [key] = await readSecretKeys(bytes(base64), now)
  if (key === undefined) throw new TypeError('no key')
  return key
}
const malformed = { name: 'OxError', code: 'secret-key-malformed' }
const wrong = { name: 'OxError', code: 'passphrase-wrong' }
const locked = { name: 'OxError', code: 'key-locked' }

describe('XEP-0373 §7: keys that we make', () => {
  test('sign with the primary key, decrypt with one subkey, never expire', async () => {
    const { certificate, isLocked } = romeo
    expect([isLocked, certificate.expires, certificate.created]).toEqual([
      false,
      undefined,
      new Date(NOW - MINUTE),
    ])
    expect(certificate.key.keyPacket.algorithm).toBe(enums.publicKey.eddsaLegacy)
    expect(certificate.key.subkeys.map(({ keyPacket }) => keyPacket.algorithm)).toEqual([
      enums.publicKey.ecdh,
    ])
    expect(await certificate.key.getSigningKey(undefined, new Date(NOW))).toBe(certificate.key)
  })

  test('have the address as user ID, in both forms where they differ', async () => {
    const account = address('d\\27artagnan@example.org')
    const { certificate } = await generateSecretKey(account, NOW)
    expect(certificate.userIds).toEqual(userIdsOf(account))
    expect((await generateSecretKey(address('jürgen@例え.jp'), NOW)).certificate.userIds[0]).toBe(
      'xmpp:jürgen@例え.jp',
    )
  })

  test('are as fresh as can be', async () => {
    const again = await generateSecretKey(address('romeo@montague.lit'), NOW)
    expect(again.certificate.fingerprint).not.toBe(romeo.certificate.fingerprint)
  })
})

describe('passphrases', () => {
  test('a key is stored under it, and opens with it and with no other', async () => {
    const key = await generateSecretKey(address('romeo@montague.lit'), NOW, 'swordfish')
    expect(key.isLocked).toBe(false)
    const [stored] = (await readSecretKeys(key.bytes, NOW)) as [SecretKey]
    expect([stored.isLocked, stored.certificate.bytes]).toEqual([true, key.certificate.bytes])
    await expect(unlockSecretKey(stored, 'Swordfish')).rejects.toMatchObject(wrong)
    await expect(sign(HELLO, stored, NOW)).rejects.toMatchObject(locked)
    await expect(revokeSecretKey(stored, 'retired', NOW)).rejects.toMatchObject(locked)
    await expect(adaptSecretKey(stored, [], NOW)).rejects.toMatchObject(locked)
    await expect(protectSecretKey(stored, 'other')).rejects.toMatchObject(locked)
    await expect(sealBackup([key, stored], 'code')).rejects.toMatchObject(locked)
    const unlocked = await unlockSecretKey(stored, 'swordfish')
    expect([unlocked.isLocked, unlocked.bytes]).toEqual([false, stored.bytes])
    expect(await unlockSecretKey(unlocked, 'whatever')).toBe(unlocked)
    const message = await signcrypt(HELLO, unlocked, [unlocked.certificate], NOW)
    const opened = await open(message, { own: [unlocked], sender: [key.certificate] })
    expect(signatureOf(opened)).toEqual(valid(key, NOW))
  })

  test('it is changed, and taken away', async () => {
    const other = await protectSecretKey(romeo, 'other')
    const [stored] = (await readSecretKeys(other.bytes, NOW)) as [SecretKey]
    expect([other.isLocked, stored.isLocked]).toEqual([false, true])
    await unlockSecretKey(stored, 'other')
    expect((await protectSecretKey(other, undefined)).bytes).toEqual(romeo.bytes)
  })

  test('of GnuPG', async () => {
    const key = await one(vectors.locked.secret)
    expect(key.isLocked).toBe(true)
    const unlocked = await unlockSecretKey(key, 'swordfish')
    expect(textOf(await open(bytes(vectors.locked.to), { own: [unlocked], now: LATER }))).toBe(
      vectors.plaintext,
    )
    expect(await open(bytes(vectors.locked.to), { own: [key], now: LATER })).toMatchObject({ kind: 'locked' })
  })

  test('no error says anything of a secret', async () => {
    const key = await one(vectors.locked.secret)
    const error: unknown = await unlockSecretKey(key, 'my passphrase').catch((reason: unknown) => reason)
    expect(`${error} ${Object(error).cause}`).not.toContain('my passphrase')
  })
})

describe('keys of other programs', () => {
  test('several, armored, and a certificate before each', async () => {
    const keys = await readSecretKeys(joined(romeo.bytes, juliet.bytes), NOW)
    expect(keys.map(({ certificate }) => certificate.fingerprint)).toEqual(
      [romeo, juliet].map(({ certificate }) => certificate.fingerprint),
    )
    const { key, certificate } = romeo
    const armored = new TextEncoder().encode(
      `${certificate.key.armor()}\n${key.armor()}\n${juliet.key.armor()}`,
    )
    expect(await readSecretKeys(armored, NOW)).toHaveLength(2)
    expect(await readSecretKeys(joined(certificate.bytes, juliet.bytes), NOW)).toHaveLength(1)
  })

  test('what is none', async () => {
    for (const data of [
      HELLO,
      new Uint8Array(),
      romeo.certificate.bytes,
      new TextEncoder().encode(romeo.certificate.key.armor()),
      romeo.bytes.slice(0, 60),
    ])
      await expect(readSecretKeys(data, NOW)).rejects.toMatchObject(malformed)
  })

  test('without its primary secret it decrypts, and certifies nothing', async () => {
    const key = await one(vectors.gpg.subkeysOnly)
    expect(key.isLocked).toBe(false)
    expect(textOf(await open(bytes(vectors.gpg.messages['other-only']), { own: [key], now: LATER }))).toBe(
      vectors.plaintext,
    )
    await expect(adaptSecretKey(key, ['xmpp:a@example.org'], LATER)).rejects.toMatchObject(malformed)
    await expect(sign(HELLO, key, LATER)).rejects.toMatchObject(malformed)
  })

  test('row 28: an old key reads what was encrypted to it', async () => {
    for (const name of ['rsa1024', 'dsa', 'p256'] as const) {
      const own = [await one(vectors.old[name].secret)]
      expect(textOf(await open(bytes(vectors.old[name].to), { own, now: LATER }))).toBe(vectors.plaintext)
    }
    const own = [await one(vectors.sha1.secret)]
    expect(textOf(await open(bytes(vectors.sha1.to), { own, now: LATER }))).toBe(vectors.plaintext)
  })

  test('row 32: Brainpool needs what Node has not', async () => {
    const key = await one(vectors.old.brainpool.secret)
    expect(key.certificate.problem).toBe('algorithm-refused')
    expect(await open(bytes(vectors.old.brainpool.to), { own: [key], now: LATER })).toEqual({
      kind: 'failed',
      code: 'algorithm-refused',
    })
    await expect(adaptSecretKey(key, [], LATER)).rejects.toMatchObject({ code: 'algorithm-refused' })
  })

  test('a secret that belongs to another public key', async () => {
    const mine = rawPackets(romeo.bytes)
    const [hers] = rawPackets(mallory.bytes)
    // Version, time, algorithm, curve and point are 51 bytes; what follows is secret.
    const packet = joined(mine[0]?.body.slice(0, 51) ?? HELLO, hers?.body.slice(51) ?? HELLO)
    const data = joined(rawPacket(5, packet), ...mine.slice(1).map(({ whole }) => whole))
    const [mixed] = (await readSecretKeys(data, NOW)) as [SecretKey]
    expect(mixed.certificate.fingerprint).toBe(romeo.certificate.fingerprint)
    await expect(adaptSecretKey(mixed, [], NOW)).rejects.toMatchObject(malformed)
  })
})

describe('row 24: a key that is taken over', () => {
  const MINE = 'xmpp:new@example.org'

  test('nothing is signed anew where nothing is to be done', async () => {
    expect(await adaptSecretKey(romeo, ['xmpp:romeo@montague.lit'], NOW)).toBe(romeo)
  })

  test('it gets the user ID, and keeps its others', async () => {
    const adapted = await adaptSecretKey(romeo, [MINE, 'xmpp:romeo@montague.lit'], NOW)
    expect(adapted.certificate).toMatchObject({
      userIds: ['xmpp:romeo@montague.lit', MINE],
      problem: undefined,
    })
    const [stored] = (await readSecretKeys(adapted.bytes, NOW)) as [SecretKey]
    expect(stored.certificate.bytes).toEqual(adapted.certificate.bytes)
    const { user } = await adapted.certificate.key.getPrimaryUser(new Date(NOW + MINUTE))
    expect(user.userID?.userID).toBe('xmpp:romeo@montague.lit')
    expect(await adaptSecretKey(stored, [MINE], NOW)).toBe(stored)
  })

  test('row 24: it no longer expires: Sequoia’s three years', async () => {
    const key = await one(vectors.sq.secret)
    expect(key.certificate.expires).toBeDefined()
    const { certificate } = await adaptSecretKey(key, [MINE], LATER)
    expect(certificate).toMatchObject({ expires: undefined, problem: undefined })
    const inTenYears = await readCertificate(certificate.bytes, undefined, Date.UTC(2036, 0, 1))
    expect(inTenYears).toMatchObject({ problem: undefined, userIds: ['xmpp:sq@example.org', MINE] })
    for (const { bindingSignatures } of certificate.key.subkeys)
      expect(bindingSignatures.at(-1)?.keyNeverExpires ?? true).toBe(true)
    const message = await signcrypt(HELLO, { ...key, certificate }, [certificate], LATER)
    expect(signatureOf(await open(message, { own: [key], sender: [certificate], now: LATER }))).toEqual(
      valid(certificate, LATER),
    )
  })

  test('row 24: one that both signs and encrypts, and has expired, does both again', async () => {
    const key = await one(vectors.single.secret)
    const adapted = await adaptSecretKey(key, [MINE], LATER)
    expect(adapted.certificate).toMatchObject({ expires: undefined, problem: undefined })
    const message = await signcrypt(HELLO, adapted, [adapted.certificate], LATER)
    const opened = await open(message, { own: [adapted], sender: [adapted.certificate], now: LATER })
    expect(signatureOf(opened)).toEqual(valid(adapted, LATER))
    // What it signed before it was taken over.
    const old = await open(bytes(vectors.single.signcrypt), {
      own: [reader],
      sender: [adapted.certificate],
      now: LATER,
    })
    expect(signatureOf(old)).toEqual(valid(adapted, NOW))
  })

  test('row 17: what SHA-1 has signed is signed anew', async () => {
    const { certificate } = await adaptSecretKey(await one(vectors.sha1.secret), [], LATER)
    expect(certificate).toMatchObject({ problem: undefined, userIds: ['xmpp:sha1@example.org'] })
  })

  test('subkeys that expired before their key stay so', async () => {
    const { privateKey } = await generateKey({
      type: 'ecc',
      curve: 'curve25519Legacy',
      userIDs: [{ name: MINE }],
      subkeys: [{ keyExpirationTime: 3600 }, {}],
      date: new Date(NOW),
      format: 'object',
      config: STRICT,
    })
    const [key] = (await readSecretKeys(privateKey.write(), NOW)) as [SecretKey]
    const during = await adaptSecretKey(key, [], NOW + MINUTE)
    const after = await adaptSecretKey(key, [], NOW + 61 * MINUTE)
    const [first] = during.certificate.key.subkeys
    expect(await first?.getExpirationTime(new Date(NOW + 2 * MINUTE), STRICT)).toBe(Number.POSITIVE_INFINITY)
    expect(after).toBe(key)
  })

  test('its stored form stays under its passphrase', async () => {
    const [key] = (await readSecretKeys((await protectSecretKey(romeo, 'swordfish')).bytes, NOW)) as [
      SecretKey,
    ]
    const unlocked = await unlockSecretKey(key, 'swordfish')
    for (const changed of [
      await adaptSecretKey(unlocked, [MINE], NOW),
      await revokeSecretKey(unlocked, 'superseded', NOW),
    ]) {
      expect(changed.isLocked).toBe(false)
      const [stored] = (await readSecretKeys(changed.bytes, NOW)) as [SecretKey]
      expect([stored.isLocked, stored.certificate.bytes]).toEqual([true, changed.certificate.bytes])
      await unlockSecretKey(stored, 'swordfish')
    }
  })
})

describe('row 23: revoking', () => {
  test.each([
    ['retired', 'soft'],
    ['superseded', 'soft'],
    ['compromised', 'hard'],
  ] as const)('row 23: %s is %s', async (reason, revoked) => {
    const changed = await revokeSecretKey(romeo, reason, NOW)
    expect(changed.certificate).toMatchObject({ revoked, problem: 'certificate-revoked' })
    const message = await crypt(HELLO, [romeo.certificate], NOW)
    expect(textOf(await open(message, { own: [changed] }))).toBe('hello')
  })
})

describe('XEP-0373 §5.4: backups', () => {
  const CODE = 'TWNK-KD5Y-MT3T-E1GS-DRDB-KVTW'

  test('row 26: all keys, whatever passphrases they are under here', async () => {
    const sealed = await sealBackup([await protectSecretKey(romeo, 'swordfish'), juliet], CODE)
    const restored = await openBackup(sealed, ['no', CODE.toLowerCase(), CODE], NOW)
    expect(restored.map(({ isLocked, bytes: written }) => [isLocked, written])).toEqual([
      [false, romeo.bytes],
      [false, juliet.bytes],
    ])
    await expect(openBackup(sealed, ['no', CODE.replaceAll('-', '')], NOW)).rejects.toMatchObject({
      code: 'backup-code-wrong',
    })
    expect(await openBackup(new TextEncoder().encode(armor(sealed)), [CODE], NOW)).toHaveLength(2)
  })

  test('of GnuPG and PGPainless, with a certificate and armor inside', async () => {
    const { gpg, armoredInside, code } = vectors.backup
    const users = async (backup: string) =>
      (await openBackup(bytes(backup), ['wrong', code], LATER)).map(
        ({ certificate }) => certificate.userIds[0],
      )
    expect(await users(gpg)).toEqual(['xmpp:gpg@example.org', 'xmpp:subkeys@example.org'])
    expect(await users(armoredInside)).toEqual(['xmpp:gpg@example.org'])
    expect(await users(vectors.pgpainless.backup)).toEqual(['xmpp:pgpainless@example.org'])
  })

  test('what is none', async () => {
    for (const data of [
      HELLO,
      new Uint8Array(),
      romeo.bytes,
      await sign(HELLO, romeo, NOW),
      await signcrypt(HELLO, romeo, [juliet.certificate], NOW),
      joined(
        rawPackets(await sealBackup([romeo], CODE))[0]?.whole ?? HELLO,
        rawPacket(9, new Uint8Array(64)),
      ),
      new Uint8Array(300_000),
    ])
      await expect(openBackup(data, [CODE], NOW)).rejects.toMatchObject({ code: 'backup-malformed' })
    const noKeys = bytes(vectors.gpg.messages.password)
    await expect(openBackup(noKeys, ['secret'], NOW)).rejects.toMatchObject(malformed)
  })

  test('Argon2 as costly as it may be, and more so', async () => {
    const [, data] = rawPackets(await sealBackup([romeo], CODE))
    const argon2 = (passes: number, exponent: number) =>
      joined(
        rawPacket(3, Uint8Array.from([4, 9, 4, ...new Uint8Array(16), passes, 1, exponent])),
        data?.whole ?? HELLO,
      )
    await expect(openBackup(argon2(1, 10), [CODE], NOW)).rejects.toMatchObject({ code: 'backup-code-wrong' })
    for (const [passes, exponent] of [
      [5, 17],
      [255, 17],
      [1, 20],
      [255, 31],
    ] as const)
      await expect(openBackup(argon2(passes, exponent), [CODE], NOW)).rejects.toMatchObject({
        code: 'backup-malformed',
      })
  })

  test('as many passwords as are tried, and one more', async () => {
    const [key, data] = rawPackets(await sealBackup([romeo], CODE))
    const times = (count: number) =>
      joined(...Array.from({ length: count }, () => key?.whole ?? HELLO), data?.whole ?? HELLO)
    expect(await openBackup(times(4), [CODE], NOW)).toHaveLength(1)
    await expect(openBackup(times(5), [CODE], NOW)).rejects.toMatchObject({ code: 'backup-malformed' })
  })
})

function armor(message: Uint8Array): string {
  const lines = Buffer.from(message).toString('base64').replace(/.{64}/g, '$&\n')
  return `-----BEGIN PGP MESSAGE-----\nVersion: 1\n\n${lines}\n-----END PGP MESSAGE-----\n`
}
