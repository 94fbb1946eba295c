/** Secret keys that are made, taken in, given away, chosen, revoked, and put under another passphrase. */
import type { Account } from '../account.ts'
import type { Bytes } from '../bytes.ts'
import { userIdsOf } from '../elements/user-id.ts'
import { OxError } from '../error.ts'
import type { Certificate } from '../openpgp/certificate.ts'
import {
  adaptSecretKey,
  generateSecretKey,
  protectSecretKey,
  type RevocationReason,
  readSecretKeys,
  revokeSecretKey,
  type SecretKey,
  unlockSecretKey,
} from '../openpgp/secret-key.ts'
import { updateSecretKey } from '../openpgp/secret-key-update.ts'
import { utf8 } from '../utf8.ts'
import { type Rewrite, rewrite } from './own-key-commit.ts'
import { type OwnKey, unlockedKey } from './own-keys.ts'
import type { Self } from './self.ts'

/** @internal Stores a new key, which signs from now on. */
export async function generateKey(
  account: Account,
  { passphrase }: { readonly passphrase?: string | undefined },
): Promise<OwnKey> {
  assertPassphrase(passphrase)
  const key = await generateSecretKey(account.jid, account.clock.now(), passphrase)
  const [info] = await rewrite(
    account,
    async () => [{ before: undefined, after: key }],
    (self) => ({ ...self, signing: key.certificate.fingerprint }),
  )
  return info as OwnKey
}

/** @internal @throws {OxError} `secret-key-malformed`, `algorithm-refused`, `key-locked`, `passphrase-wrong` */
export async function importSecretKeys(
  account: Account,
  data: Uint8Array | string,
  { passphrase }: { readonly passphrase?: string | undefined },
): Promise<readonly OwnKey[]> {
  const bytes = typeof data === 'string' ? utf8(data) : data
  const read = await readSecretKeys(bytes, account.clock.now())
  const keys = await Promise.all(
    read.map((key) => {
      if (!key.isLocked) return key
      if (passphrase === undefined) throw new OxError('key-locked', 'data: it is under a passphrase')
      return unlockSecretKey(key, passphrase)
    }),
  )
  return takeIn(account, keys, (self) => self)
}

/**
 * @internal Unlocked keys of another program or a backup: named after the account, without expiry. Those that are refused are
 * left out, unless all are. One signs if none did.
 *
 * @throws {OxError} why the first one is refused, when all are
 */
export async function takeIn(
  account: Account,
  keys: readonly SecretKey[],
  next: (self: Self) => Self,
): Promise<readonly OwnKey[]> {
  const now = account.clock.now()
  const adapted = await Promise.allSettled(
    keys.map((key) => adaptSecretKey(key, userIdsOf(account.jid), now)),
  )
  const taken = adapted.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const refused = adapted.find((one) => one.status === 'rejected')
  if (taken.length === 0 && refused !== undefined) throw refused.reason
  return rewrite(
    account,
    async () => {
      const here = new Map((await account.own.all()).map((key) => [key.certificate.fingerprint, key]))
      return Promise.all(
        taken.map(async (key) => {
          const before = here.get(key.certificate.fingerprint)
          // Of one that is here, what the other copy does not know (that it was revoked) must not get lost.
          return {
            before,
            after: before === undefined ? key : await updateSecretKey(before, key.certificate, now),
          }
        }),
      )
    },
    (before, rewrites) => {
      const self = next(before)
      const first = rewrites.map(({ after }) => after).find(isUsable)
      return { ...self, signing: self.signing ?? first?.certificate.fingerprint }
    },
  )
}

/** @internal What another client has published of a key of ours. */
export async function learn(account: Account, certificate: Certificate): Promise<void> {
  await rewrite(account, async () => {
    const before = (await account.own.all()).find(
      (key) => key.certificate.fingerprint === certificate.fingerprint,
    )
    if (before === undefined) return []
    const after = await updateSecretKey(before, certificate, account.clock.now())
    return after === before ? [] : [{ before, after }]
  })
}

/** @internal @throws {OxError} `key-missing`, `key-locked` */
export async function exportSecretKey(
  account: Account,
  fingerprint: string,
  protection: { readonly passphrase: string } | { readonly unprotected: true },
): Promise<Bytes> {
  const passphrase = 'passphrase' in protection ? protection.passphrase : undefined
  assertPassphrase(passphrase)
  const key = await unlockedKey(account, fingerprint)
  const { bytes } = await protectSecretKey(key, passphrase)
  return bytes
}

/** @internal @throws {OxError} `key-missing`, also of one that was revoked */
export async function selectKey(account: Account, fingerprint: string): Promise<void> {
  const key = (await account.own.all()).find(({ certificate }) => certificate.fingerprint === fingerprint)
  if (key === undefined || !isUsable(key))
    throw new OxError('key-missing', 'key: there is no secret key with this fingerprint that can be used')
  await rewrite(
    account,
    async () => [],
    (self) => ({ ...self, signing: fingerprint }),
  )
}

/** @internal It stays, and goes on decrypting; another one signs, if there is one. @throws {OxError} `key-missing`, `key-locked` */
export async function revokeKey(
  account: Account,
  fingerprint: string,
  reason: RevocationReason,
): Promise<OwnKey> {
  const others = (await account.own.all()).filter((key) => key.certificate.fingerprint !== fingerprint)
  const other = others.find(isUsable)?.certificate.fingerprint
  const [info] = await rewrite(
    account,
    async () => {
      const before = await unlockedKey(account, fingerprint)
      return [{ before, after: await revokeSecretKey(before, reason, account.clock.now()) }]
    },
    (self) => (self.signing === fingerprint ? { ...self, signing: other } : self),
  )
  return info as OwnKey
}

/** @internal All keys under another passphrase, or under none, in one commit. @throws {OxError} `key-locked` */
export async function setPassphrase(account: Account, passphrase: string | undefined): Promise<void> {
  assertPassphrase(passphrase)
  await rewrite(account, async () => {
    const rewrites: Rewrite[] = []
    // One after the other: a person may be asked for each passphrase.
    for (const { certificate } of await account.own.all()) {
      const before = await unlockedKey(account, certificate.fingerprint)
      rewrites.push({ before, after: await protectSecretKey(before, passphrase) })
    }
    return rewrites
  })
}

/** An empty one protects nothing: whoever wants none says so. */
function assertPassphrase(passphrase: string | undefined): void {
  if (passphrase === '') throw new RangeError('passphrase: expected at least one character')
}

function isUsable({ certificate }: SecretKey): boolean {
  return certificate.problem === undefined
}
