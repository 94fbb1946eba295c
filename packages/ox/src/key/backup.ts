/**
 * The secret keys on the server, under a code (XEP-0373 §5). The node lets nobody read it but the account; `publish` of
 * `@xmpp-e2e/disco/pep` publishes nothing before that is so.
 */
import {
  configuration,
  deleteNode,
  fetchItems,
  PepError,
  type PepOptions,
  publish,
} from '@xmpp-e2e/disco/pep'
import type { Signal } from '@xmpp-e2e/store'
import { type Account, change } from '../account.ts'
import { backupCodesOf, generateBackupCode } from '../elements/backup-code.ts'
import { decodeSecretKey, encodeSecretKey, SECRET_KEY_NODE } from '../elements/key-element.ts'
import { OxError } from '../error.ts'
import { openBackup, sealBackup } from '../openpgp/backup.ts'
import type { SecretKey } from '../openpgp/secret-key.ts'
import { records } from '../record.ts'
import { takeIn } from './own-key-change.ts'
import { type OwnKey, unlockedKey } from './own-keys.ts'
import { readOwnList } from './own-list.ts'
import { decodeSelf, encodeSelf } from './self.ts'

const PRIVATE = { access: 'whitelist', persist: true, sendLast: 'never' } as const

/** @internal All secret keys, or some. @throws {PepError}; {OxError} `key-missing`, `key-locked` */
export async function createBackup(
  account: Account,
  { keys, signal }: { readonly keys?: readonly string[] | undefined; readonly signal?: Signal | undefined },
): Promise<{ readonly code: string }> {
  const all = await account.own.all()
  const wanted = [...new Set(keys ?? all.map(({ certificate }) => certificate.fingerprint))]
  if (wanted.length === 0) throw new OxError('key-missing', 'keys: there is no secret key')
  const unlocked: SecretKey[] = []
  // One after the other: a person may be asked for each passphrase.
  for (const fingerprint of wanted) unlocked.push(await unlockedKey(account, fingerprint))
  const code = generateBackupCode(account.random)
  const payload = encodeSecretKey(await sealBackup(unlocked, code))
  const { unmet } = await publish(account.connection, SECRET_KEY_NODE, { id: 'current', payload }, PRIVATE, {
    signal,
  })
  await assertPrivate(account, { signal })
  if (unmet.length > 0) account.emit({ kind: 'server-limited', node: SECRET_KEY_NODE, unmet })
  await remember(account, wanted)
  return { code }
}

/**
 * A service can take options for publishing without heeding them. What lies open there is under a code that cannot be guessed,
 * but it is no place for secret keys.
 *
 * @throws {PepError} `precondition-not-met`; the backup is deleted then
 */
async function assertPrivate({ connection }: Account, options: PepOptions): Promise<void> {
  const found = await configuration(connection, SECRET_KEY_NODE, options).catch((error: unknown) => {
    // Not every service tells.
    if (error instanceof PepError && UNTOLD.includes(error.code)) return undefined
    throw error
  })
  if (found?.access === undefined || found.access === 'whitelist') return
  await deleteNode(connection, SECRET_KEY_NODE, options)
  throw new PepError('precondition-not-met', `${SECRET_KEY_NODE}: others could read it`, { found })
}

const UNTOLD: readonly string[] = ['not-supported', 'refused', 'forbidden', 'malformed']

/** @internal Whether there is one. @throws {PepError} */
export async function findBackup(account: Account, options: PepOptions): Promise<boolean> {
  return (await read(account, options)) !== undefined
}

/** @internal All keys in it are taken in; the one that is announced signs, of several the one that was announced last. @throws {PepError}; {OxError} */
export async function restoreBackup(
  account: Account,
  code: string,
  options: PepOptions,
): Promise<readonly OwnKey[]> {
  const message = await read(account, options)
  if (message === undefined) throw new OxError('backup-missing', 'the server has no backup')
  const keys = await openBackup(message, backupCodesOf(code), account.clock.now())
  const usable = keys.filter(({ certificate }) => certificate.revoked === undefined)
  const listed = (await readOwnList(account, options))?.entries ?? []
  const [announced] = listed
    .filter(({ fingerprint }) => usable.some(({ certificate }) => certificate.fingerprint === fingerprint))
    .sort((a, b) => Number(b.date ?? 0) - Number(a.date ?? 0))
  const backedUp = keys.map(({ certificate }) => certificate.fingerprint)
  return takeIn(account, keys, (self) => ({
    ...self,
    signing: announced?.fingerprint ?? self.signing,
    backedUp,
  }))
}

/** @internal @throws {PepError} */
export async function deleteBackup(account: Account, options: PepOptions): Promise<void> {
  try {
    await deleteNode(account.connection, SECRET_KEY_NODE, options)
  } catch (error) {
    if (!(error instanceof PepError && error.code === 'not-found')) throw error
  }
  await remember(account, [])
}

async function read({ connection }: Account, options: PepOptions): Promise<Uint8Array | undefined> {
  try {
    const item = (await fetchItems(connection, SECRET_KEY_NODE, { ...options, max: 1 })).at(-1)
    return item?.payload && decodeSecretKey(item.payload)
  } catch (error) {
    if (error instanceof PepError && error.code === 'not-found') return undefined
    throw error
  }
}

/** Which keys a backup holds; what is new since makes it stale. */
function remember(account: Account, backedUp: readonly string[]): Promise<void> {
  return change(account, [records.self], ([bytes]) => ({
    put: [[records.self, encodeSelf({ ...decodeSelf(bytes), backedUp })]],
    result: undefined,
  }))
}
