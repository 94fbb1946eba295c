/**
 * The keys of one owner at rest: a line each, as `encodeKey` of `@xmpp-e2e/trust` writes it, in the order in which they
 * were met. Both namespaces share their keys, so that there is one record and one level of trust of a device.
 */

import { concatBytes } from '@noble/hashes/utils.js'
import type { Store, Bytes as StoreBytes } from '@xmpp-e2e/store'
import { decodeKey, decodeWaiting, encodeKey, type Key, TrustError, type Waiting } from '@xmpp-e2e/trust'
import type { BareJid } from '@xmpp-e2e/xml'
import type { Bytes } from './bytes.ts'
import { OmemoError } from './error.ts'
import { records } from './record.ts'

/**
 * Bytes of the keys of one owner, so that they fit into a value of a store (1 MiB) with room to spare. With an address of
 * 25 characters and a label of 50 a key takes 260: some 2000 keys, of which an account has 2 to 50.
 */
export const MAX_KEYS_BYTES = 512 * 1024

const LINE_FEED = 0x0a

/**
 * @internal Of more keys than there is room for, those that are undecided go first, then those that the policy trusted,
 * then those that were decided; of the same kind the ones met first. Whoever makes up keys pushes out made-up ones.
 */
export function encodeKeys(keys: readonly Key[]): Bytes {
  const lines = keys.map((key) => concatBytes(encodeKey(key), Uint8Array.of(LINE_FEED)))
  const order = keys.map((_, i) => i).sort((a, b) => worth(keys[b]) - worth(keys[a]) || b - a)
  let room = MAX_KEYS_BYTES
  const kept = new Set<number>()
  for (const i of order) {
    room -= lines[i]?.length ?? 0
    if (room < 0) break
    kept.add(i)
  }
  return concatBytes(...lines.filter((_, i) => kept.has(i)))
}

function worth(key: Key | undefined): number {
  if (key?.by !== undefined) return 2
  return key?.level === 'undecided' ? 0 : 1
}

/** @internal Of a record that may be absent. @throws OmemoError `state-malformed` */
export function decodeKeys(bytes: Uint8Array | undefined): readonly Key[] {
  const keys: Key[] = []
  for (let start = 0; bytes !== undefined && start < bytes.length; ) {
    const end = bytes.indexOf(LINE_FEED, start)
    if (end < 0) throw new OmemoError('state-malformed', 'keys: the last line is cut off')
    const line = bytes.subarray(start, end)
    keys.push(trusted('keys', () => decodeKey(line)))
    start = end + 1
  }
  return keys
}

/** @internal Of a record that may be absent. @throws OmemoError `state-malformed` */
export function decodeStatements(bytes: Uint8Array | undefined): Waiting {
  return bytes === undefined ? [] : trusted('waiting', () => decodeWaiting(bytes))
}

/** @internal All keys that are stored, of one owner or of all, owner by owner. */
export async function storedKeys(store: Store, owner: BareJid | undefined): Promise<readonly Key[]> {
  const values: (StoreBytes | undefined)[] =
    owner === undefined
      ? [...(await store.list(records.allKeys)).entries].sort(byName).map(([, value]) => value)
      : (await store.read([records.keysOf(owner)])).map(({ value }) => value)
  return values.flatMap(decodeKeys)
}

const byName = ([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number =>
  one < other ? -1 : 1

function trusted<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof TrustError)) throw cause
    throw new OmemoError('state-malformed', `${what}: not written by this version`, { cause })
  }
}
