/** Our secret keys, one of which signs: in the store under their passphrases, in memory unlocked until `lock`. */
import { type Account, change } from '../account.ts'
import type { Bytes } from '../bytes.ts'
import { userIdsOf } from '../elements/user-id.ts'
import { OxError } from '../error.ts'
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
import { records } from '../record.ts'
import { utf8 } from '../utf8.ts'
import { decodeSelf, encodeSelf, type Self } from './self.ts'

/** @internal Unlocked keys live here and nowhere else. */
export interface OwnKeys {
  /** All, unlocked where they are; read from the store. */
  all(): Promise<readonly SecretKey[]>
  /** The one that signs. */
  signing(): Promise<SecretKey | undefined>
  self(): Promise<Self>
  /** The fingerprint of the one that signs, as it was read last. */
  readonly fingerprint: string | undefined
  /** The key, unlocked; the host is asked for its passphrase if need be. `undefined` if it stays locked, or is not there. */
  ask(fingerprint: string): Promise<SecretKey | undefined>
  /** Those that are under this passphrase. */
  unlock(passphrase: string): Promise<readonly string[]>
  /** Takes in one that was just made or unlocked. */
  adopt(key: SecretKey): void
  /** Forgets unlocked keys. */
  lock(): void
}

/** A secret key of the account, as an application shows it. */
export interface OwnKey {
  /** Lower-case hex. */
  readonly fingerprint: string
  readonly created: Date
  readonly expires: Date | undefined
  readonly revoked: boolean
  /** Whether it needs a passphrase now. */
  readonly locked: boolean
  /** Whether it signs. */
  readonly selected: boolean
  readonly announced: boolean
  readonly backedUp: boolean
}

/** @internal */
export function createOwnKeys(
  { store, clock }: Pick<Account, 'store' | 'clock'>,
  askPassphrase: ((fingerprint: string) => Promise<string | undefined>) | undefined,
): OwnKeys {
  /** By fingerprint; as stored in `bytes`. */
  const unlocked = new Map<string, SecretKey>()
  let fingerprint: string | undefined

  async function self(): Promise<Self> {
    const [reading] = await store.read([records.self])
    const found = decodeSelf(reading?.value)
    fingerprint = found.signing
    return found
  }

  async function all(): Promise<readonly SecretKey[]> {
    await self()
    const { entries } = await store.list(records.allOwn)
    const keys = await Promise.all(entries.map(([, bytes]) => stored(bytes, clock.now())))
    return keys.map((key) => {
      const open = unlocked.get(key.certificate.fingerprint)
      // Another tab may have changed it meanwhile.
      return open !== undefined && isSame(open.bytes, key.bytes) ? open : key
    })
  }

  async function find(wanted: string | undefined): Promise<SecretKey | undefined> {
    return (await all()).find(({ certificate }) => certificate.fingerprint === wanted)
  }

  async function open(key: SecretKey, passphrase: string): Promise<SecretKey | undefined> {
    try {
      const opened = await unlockSecretKey(key, passphrase)
      unlocked.set(key.certificate.fingerprint, opened)
      return opened
    } catch (error) {
      if (error instanceof OxError && error.code === 'passphrase-wrong') return undefined
      throw error
    }
  }

  return {
    all,
    self,
    signing: async () => find((await self()).signing),
    get fingerprint() {
      return fingerprint
    },
    async ask(wanted) {
      const key = await find(wanted)
      if (key === undefined || !key.isLocked) return key
      const passphrase = await askPassphrase?.(wanted)
      return passphrase === undefined ? undefined : open(key, passphrase)
    },
    async unlock(passphrase) {
      const opened: string[] = []
      for (const key of await all())
        if (key.isLocked && (await open(key, passphrase)) !== undefined)
          opened.push(key.certificate.fingerprint)
      return opened
    },
    adopt: (key) => void unlocked.set(key.certificate.fingerprint, key),
    lock: () => unlocked.clear(),
  }
}

async function stored(bytes: Bytes, now: number): Promise<SecretKey> {
  try {
    const [key] = await readSecretKeys(bytes, now)
    if (key !== undefined) return key
  } catch (cause) {
    throw new OxError('state-malformed', 'own: a secret key that was damaged', { cause })
  }
  throw new OxError('state-malformed', 'own: no secret key')
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** @internal */
export async function ownKeys({ own }: Account): Promise<readonly OwnKey[]> {
  const self = await own.self()
  return (await own.all()).map((key) => infoOf(key, self))
}

function infoOf({ certificate, isLocked }: SecretKey, { signing, announced, backedUp }: Self): OwnKey {
  const { fingerprint, created, expires, revoked } = certificate
  return {
    fingerprint,
    created,
    expires,
    revoked: revoked !== undefined,
    locked: isLocked,
    selected: fingerprint === signing,
    announced: announced.includes(fingerprint),
    backedUp: backedUp.includes(fingerprint),
  }
}

/** @internal Stores a new key, which signs from now on. */
export async function generateKey(
  account: Account,
  { passphrase }: { readonly passphrase?: string | undefined },
): Promise<OwnKey> {
  const key = await generateSecretKey(account.jid, account.clock.now(), passphrase)
  const [info] = await keep(account, [key], key.certificate.fingerprint)
  return info as OwnKey
}

/** @internal @throws {OxError} `secret-key-malformed`, `passphrase-wrong` */
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
  return takeIn(account, keys, undefined)
}

/** @internal Unlocked keys of another program or a backup: named after the account, without expiry. `signing` signs if none did. */
export async function takeIn(
  account: Account,
  keys: readonly SecretKey[],
  signing: string | undefined,
): Promise<readonly OwnKey[]> {
  const now = account.clock.now()
  const adapted = await Promise.all(keys.map((key) => adaptSecretKey(key, userIdsOf(account.jid), now)))
  return keep(account, adapted, signing)
}

/** Stores them in one commit; `signing` signs from now on, or the first one if none did. */
function keep(
  account: Account,
  keys: readonly SecretKey[],
  signing: string | undefined,
): Promise<readonly OwnKey[]> {
  for (const key of keys) account.own.adopt(key)
  return change(account, [records.self], ([bytes]) => {
    const before = decodeSelf(bytes)
    const self = { ...before, signing: signing ?? before.signing ?? keys[0]?.certificate.fingerprint }
    return {
      put: [
        [records.self, encodeSelf(self)],
        ...keys.map((key) => [records.own(key.certificate.fingerprint), key.bytes] as const),
      ],
      result: keys.map((key) => infoOf(key, self)),
    }
  }).then(async (infos) => {
    await account.own.self()
    return infos
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

/** @internal @throws {OxError} `key-missing`, `key-locked` */
export async function unlockedKey({ own }: Account, fingerprint: string): Promise<SecretKey> {
  const key = await own.ask(fingerprint)
  if (key !== undefined && !key.isLocked) return key
  const isHere = (await own.all()).some(({ certificate }) => certificate.fingerprint === fingerprint)
  throw isHere
    ? new OxError('key-locked', 'key: unlock it first')
    : new OxError('key-missing', 'key: there is no secret key with this fingerprint')
}

/** @internal @throws {OxError} `key-missing` */
export async function selectKey(account: Account, fingerprint: string): Promise<void> {
  await change(account, [records.self, records.own(fingerprint)], ([bytes, key]) => {
    if (key === undefined)
      throw new OxError('key-missing', 'key: there is no secret key with this fingerprint')
    return {
      put: [[records.self, encodeSelf({ ...decodeSelf(bytes), signing: fingerprint })]],
      result: undefined,
    }
  })
  await account.own.self()
}

/** @internal It stays, and goes on decrypting. @throws {OxError} `key-missing`, `key-locked` */
export async function revokeKey(
  account: Account,
  fingerprint: string,
  reason: RevocationReason,
): Promise<OwnKey> {
  const revoked = await revokeSecretKey(await unlockedKey(account, fingerprint), reason, account.clock.now())
  const [info] = await keep(account, [revoked], undefined)
  return info as OwnKey
}

/** @internal All keys under another passphrase, or under none, in one commit. @throws {OxError} `key-locked` */
export async function setPassphrase(account: Account, passphrase: string | undefined): Promise<void> {
  const all = await account.own.all()
  const keys = await Promise.all(all.map(({ certificate }) => unlockedKey(account, certificate.fingerprint)))
  await keep(account, await Promise.all(keys.map((key) => protectSecretKey(key, passphrase))), undefined)
}
