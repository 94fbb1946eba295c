/** Our secret keys, one of which signs: in the store under their passphrases, in memory unlocked until `lock`. */
import type { Account } from '../account.ts'
import type { Bytes } from '../bytes.ts'
import { OxError } from '../error.ts'
import { readSecretKeys, type SecretKey, unlockSecretKey } from '../openpgp/secret-key.ts'
import { records } from '../record.ts'
import { decodeSelf, type Self } from './self.ts'

/** @internal Unlocked keys live here and nowhere else. */
export interface OwnKeys {
  /** All, unlocked where they are; read from the store. */
  all(): Promise<readonly SecretKey[]>
  /** The one that signs. */
  signing(): Promise<SecretKey | undefined>
  self(): Promise<Self>
  /** The fingerprint of the one that signs, as it was read last. */
  readonly fingerprint: string | undefined
  /**
   * The key, unlocked; the host is asked for its passphrase if need be, once at a time. `undefined` if it stays locked, or is
   * not there.
   */
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
  /** Whether others were told of it, and are to find it. */
  readonly announced: boolean
  /** Whether the backup that this client has made, or restored, holds it. */
  readonly backedUp: boolean
}

/** @internal */
export function createOwnKeys(
  { store, clock }: Pick<Account, 'store' | 'clock'>,
  askPassphrase: ((fingerprint: string) => Promise<string | undefined>) | undefined,
): OwnKeys {
  /** By fingerprint; as stored in `bytes`. */
  const unlocked = new Map<string, SecretKey>()
  /** By name of the record, as they are stored. */
  const read = new Map<string, SecretKey>()
  /** Keys whose passphrases somebody is asked for just now. */
  const asking = new Map<string, Promise<string | undefined>>()
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
    return Promise.all(
      entries.map(async ([name, bytes]) => {
        const key = await readOnce(name, bytes)
        const open = unlocked.get(key.certificate.fingerprint)
        // Another tab may have changed it meanwhile.
        return open !== undefined && isSame(open.bytes, bytes) ? open : key
      }),
    )
  }

  /** Keys of ours do not expire, so that what was read stays true as long as the bytes are the same. */
  async function readOnce(name: string, bytes: Bytes): Promise<SecretKey> {
    const before = read.get(name)
    if (before !== undefined && isSame(before.bytes, bytes)) return before
    const key = await stored(bytes, clock.now())
    read.set(name, key)
    return key
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

  function passphraseOf(wanted: string): Promise<string | undefined> {
    const running = asking.get(wanted)
    if (running !== undefined || askPassphrase === undefined) return running ?? Promise.resolve(undefined)
    const asked = askPassphrase(wanted).finally(() => asking.delete(wanted))
    asking.set(wanted, asked)
    return asked
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
      const passphrase = await passphraseOf(wanted)
      // It may have been unlocked, or changed, in the meantime.
      const now = await find(wanted)
      if (now === undefined || !now.isLocked) return now
      return passphrase === undefined ? undefined : open(now, passphrase)
    },
    async unlock(passphrase) {
      const opened: string[] = []
      for (const key of await all())
        if (key.isLocked && (await open(key, passphrase)) !== undefined)
          opened.push(key.certificate.fingerprint)
      return opened
    },
    adopt: (key) => void unlocked.set(key.certificate.fingerprint, key),
    lock() {
      unlocked.clear()
      read.clear()
    },
  }
}

async function stored(bytes: Bytes, now: number): Promise<SecretKey> {
  try {
    const [key] = await readSecretKeys(bytes, now)
    // As stored, whatever openpgp would write: it is how others find out that it was changed.
    if (key !== undefined) return { ...key, bytes }
  } catch (cause) {
    if (cause instanceof OxError && cause.code === 'crypto-unavailable') throw cause
    throw new OxError('state-malformed', 'own: a secret key that was damaged', { cause })
  }
  throw new OxError('state-malformed', 'own: no secret key')
}

/** @internal */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** @internal */
export async function ownKeys({ own }: Account): Promise<readonly OwnKey[]> {
  const self = await own.self()
  return (await own.all()).map((key) => infoOf(key, self))
}

/** @internal */
export function infoOf({ certificate, isLocked }: SecretKey, { signing, announced, backedUp }: Self): OwnKey {
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

/** @internal @throws {OxError} `key-missing`, `key-locked` */
export async function unlockedKey({ own }: Account, fingerprint: string): Promise<SecretKey> {
  const key = await own.ask(fingerprint)
  if (key !== undefined && !key.isLocked) return key
  const isHere = (await own.all()).some(({ certificate }) => certificate.fingerprint === fingerprint)
  throw isHere
    ? new OxError('key-locked', 'key: unlock it first')
    : new OxError('key-missing', 'key: there is no secret key with this fingerprint')
}
