/**
 * Secret keys that are made, taken in, changed: each change is one commit, on what it was computed from. Another tab that has
 * changed a key meanwhile does not lose its change: it is computed again.
 */
import { type Account, change } from '../account.ts'
import type { Bytes } from '../bytes.ts'
import { userIdsOf } from '../elements/user-id.ts'
import { OxError } from '../error.ts'
import type { OxEvent } from '../event.ts'
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
import { records } from '../record.ts'
import { utf8 } from '../utf8.ts'
import { infoOf, isSame, type OwnKey, unlockedKey } from './own-keys.ts'
import { decodeSelf, encodeSelf, type Self } from './self.ts'

/** @internal Stores a new key, which signs from now on. */
export async function generateKey(
  account: Account,
  { passphrase }: { readonly passphrase?: string | undefined },
): Promise<OwnKey> {
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
  const key = await unlockedKey(account, fingerprint)
  const { bytes } = await protectSecretKey(
    key,
    'passphrase' in protection ? protection.passphrase : undefined,
  )
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

function isUsable({ certificate }: SecretKey): boolean {
  return certificate.problem === undefined
}

interface Rewrite {
  /** What it was computed from; `undefined` of a key that was not here. */
  readonly before: SecretKey | undefined
  readonly after: SecretKey
}

/** Computes until nothing has changed meanwhile, and stores all in one commit. */
async function rewrite(
  account: Account,
  plan: () => Promise<readonly Rewrite[]>,
  next: (self: Self, rewrites: readonly Rewrite[]) => Self = (self) => self,
): Promise<readonly OwnKey[]> {
  for (;;) {
    const rewrites = await plan()
    const done = await commit(account, rewrites, next)
    if (done === undefined) continue
    for (const { after } of rewrites) if (!after.isLocked) account.own.adopt(after)
    await account.own.self()
    return done
  }
}

/** `undefined`, and nothing is stored, when something else is there than what it was computed from. */
function commit(
  account: Account,
  rewrites: readonly Rewrite[],
  next: (self: Self, rewrites: readonly Rewrite[]) => Self,
): Promise<readonly OwnKey[] | undefined> {
  const names = rewrites.map(({ after }) => records.own(after.certificate.fingerprint))
  return change(account, [records.self, ...names], async ([bytes, ...stored], reader) => {
    const isStale = rewrites.some(({ before }, i) => !isSameOrAbsent(before?.bytes, stored[i]))
    if (isStale) return { result: undefined }
    const before = decodeSelf(bytes)
    const self = next(before, rewrites)
    const isNew = rewrites.some((one) => one.before === undefined) || self.backedUp !== before.backedUp
    const all = [...(await reader.list(records.allOwn)).map(([name]) => name), ...names]
    const isBackedUp = (name: string) =>
      self.backedUp.some((fingerprint) => records.own(fingerprint) === name)
    const isStaleBackup = isNew && self.backedUp.length > 0 && !all.every(isBackedUp)
    const events: readonly OxEvent[] = isStaleBackup ? [{ kind: 'backup-stale' }] : []
    return {
      put: [
        [records.self, encodeSelf(self)],
        ...rewrites.map(({ after }, i) => [names[i] as string, after.bytes] as const),
      ],
      events,
      result: rewrites.map(({ after }) => infoOf(after, self)),
    }
  })
}

function isSameOrAbsent(a: Bytes | undefined, b: Bytes | undefined): boolean {
  return a === undefined || b === undefined ? a === b : isSame(a, b)
}
