/**
 * Our own list on the server, which other clients write too: what is in it stays, and it is never deleted. Any error of
 * reading but "there is none" ends it without writing: a list that could not be read may be full of their keys.
 *
 *     read ─► nothing to change: done     otherwise: write, and read again, since another client may have written between the two
 */
import { configuration, configure, fetchItems, PepError, type PepOptions, publish } from '@xmpp-e2e/disco/pep'
import type { Element } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import { decodeKeyList, KEY_LIST_NODE, type KeyList } from '../elements/key-list.ts'
import { OxError } from '../error.ts'

/** Attempts at a list that other clients write at the same time. */
const MAX_ATTEMPTS = 8
/** The most milliseconds before it is written again: of two clients that repair one list, one comes later and sees it. */
export const ANNOUNCE_JITTER_MS = 5000

const OPEN = { access: 'open', persist: true, sendLast: 'on_sub' } as const

/** @internal What is no list at all is replaced: there is nothing to keep in it. @throws {PepError} whatever it is but "there is none" */
export async function readOwnList(
  { connection }: Account,
  options: PepOptions,
): Promise<KeyList | undefined> {
  try {
    const item = (await fetchItems(connection, KEY_LIST_NODE, { ...options, max: 1 })).at(-1)
    return item?.payload && decodeKeyList(item.payload)
  } catch (error) {
    if (error instanceof OxError) return undefined
    if (error instanceof PepError && error.code === 'not-found') return undefined
    throw error
  }
}

/** @internal Until `edit` has nothing to change. @throws {PepError} @throws the signal's reason */
export async function editOwnList(
  account: Account,
  edit: (list: KeyList | undefined) => Element | undefined,
  options: PepOptions,
): Promise<void> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (attempt > 1) await pause(account)
    const payload = edit(await readOwnList(account, options))
    if (payload === undefined) return attempt === 0 ? keepOpen(account, KEY_LIST_NODE, options) : undefined
    await publishOpen(account, KEY_LIST_NODE, { id: 'current', payload }, options)
  }
  throw new PepError('refused', 'the list of keys: other clients keep on changing it')
}

/** @internal For everybody to read (§4.1, §4.2). @throws {PepError} */
export async function publishOpen(
  { connection, emit }: Account,
  node: string,
  item: { readonly id: string; readonly payload: Element },
  options: PepOptions,
): Promise<void> {
  const { unmet } = await publish(connection, node, item, OPEN, options)
  if (unmet.length > 0) emit({ kind: 'server-limited', node, unmet })
}

/**
 * @internal Opens a node that nothing is to be published on, where another client has closed it: strangers could not read it.
 * Where the server does not tell or does not let us, everything else works.
 */
export async function keepOpen(
  { connection, emit }: Account,
  node: string,
  options: PepOptions,
): Promise<void> {
  try {
    const { access } = await configuration(connection, node, options)
    if (access === undefined || access === OPEN.access) return
    await configure(connection, node, { access: OPEN.access }, options)
  } catch (error) {
    if (!(error instanceof PepError && REFUSALS.includes(error.code))) throw error
    emit({ kind: 'server-limited', node, unmet: ['access'] })
  }
}

const REFUSALS: readonly string[] = ['not-found', 'not-supported', 'refused', 'forbidden', 'malformed']

/** @internal A part of the jitter, at random; over at once when the façade is closed. */
export function pause({ clock, random, closing }: Account): Promise<void> {
  const [high = 0, low = 0] = random(2)
  const ms = ((high * 256 + low) / 65_536) * ANNOUNCE_JITTER_MS
  return new Promise((resolve) => {
    const end = () => {
      cancel()
      closing.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.after(ms, end)
    closing.addEventListener('abort', end)
    if (closing.aborted) end()
  })
}
