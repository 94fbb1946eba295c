/** Fetching bundles: each time anew, since a prekey that is in an old one may have been used (XEP-0384 §5.4). */
import { fetchItems, type Item } from '@xmpp-e2e/disco/pep'
import type { Signal } from '@xmpp-e2e/store'
import type { BareJid } from '@xmpp-e2e/xml'
import { type Account, compute } from '../account.ts'
import { type VerifiedBundle, verifyBundle } from '../bundle.ts'
import { OmemoError, type OmemoErrorCode } from '../error.ts'
import type { DeviceRef } from '../outcome.ts'
import { AXOLOTL, type Namespace, OMEMO_2, protocols } from '../protocol.ts'
import { bundles } from '../stanza/bundle.ts'
import { ASK_TIMEOUT_MS, inParallel, pepCode } from './asking.ts'
import type { BundleCode } from './contact.ts'

/** Bundles of one account in one request: 8 of some 12 kB each; servers limit a stanza to 256 kB and more. */
export const BUNDLES_PER_REQUEST = 8

/** @internal */
export interface WantedBundle {
  readonly device: DeviceRef
  readonly namespace: Namespace
}

/** @internal */
export type FetchedBundle = WantedBundle &
  (
    | { readonly bundle: VerifiedBundle; readonly code?: undefined }
    | { readonly bundle?: undefined; readonly code: BundleCode; readonly cause: unknown }
  )

/** Bundles that one request can ask for: one of 0.3, or several items of the omemo:2 node of an account. */
interface Batch {
  readonly jid: BareJid
  readonly namespace: Namespace
  readonly ids: readonly number[]
}

type Found = ReadonlyMap<number, FetchedBundle>

/**
 * @internal Fetches and verifies bundles, in parallel and bounded; none is ever taken from a cache.
 *
 * @returns in the order of `wanted`
 * @throws the signal's reason
 */
export async function fetchBundles(
  account: Account,
  wanted: readonly WantedBundle[],
  { signal }: { readonly signal?: Signal | undefined },
): Promise<readonly FetchedBundle[]> {
  const batches = batchesOf(wanted)
  const total = batches.reduce((sum, { ids }) => sum + ids.length, 0)
  let done = 0
  const found = await inParallel(
    batches,
    async (batch) => {
      const answer = await fetchBatch(account, batch, signal)
      done += batch.ids.length
      account.emit({ kind: 'progress', work: 'bundles', done, total })
      return answer
    },
    signal,
  )
  const all = new Map<string, FetchedBundle>()
  for (const answers of found) for (const answer of answers.values()) all.set(nameOf(answer), answer)
  return wanted.map((one) => all.get(nameOf(one)) as FetchedBundle)
}

function nameOf({ device, namespace }: WantedBundle): string {
  return `${namespace} ${device.jid}/${device.id}`
}

function batchesOf(wanted: readonly WantedBundle[]): readonly Batch[] {
  const unique = [...new Map(wanted.map((one) => [nameOf(one), one])).values()]
  const single = unique.filter(({ namespace }) => namespace === AXOLOTL)
  const batches: Batch[] = single.map(({ device, namespace }) => ({
    jid: device.jid,
    namespace,
    ids: [device.id],
  }))
  const shared = new Map<BareJid, number[]>()
  for (const { device, namespace } of unique)
    if (namespace === OMEMO_2) shared.set(device.jid, [...(shared.get(device.jid) ?? []), device.id])
  for (const [jid, ids] of shared)
    for (let at = 0; at < ids.length; at += BUNDLES_PER_REQUEST)
      batches.push({ jid, namespace: OMEMO_2, ids: ids.slice(at, at + BUNDLES_PER_REQUEST) })
  return batches
}

async function fetchBatch(account: Account, batch: Batch, signal: Signal | undefined): Promise<Found> {
  const { jid, namespace, ids } = batch
  const [first] = ids
  if (first === undefined) return new Map()
  if (ids.length === 1) return new Map([[first, await fetchOne(account, batch, first, signal)]])
  let items: readonly Item[] = []
  try {
    items = await ask(account, batch, ids, signal)
  } catch (error) {
    const code = pepCode(error, signal)
    // Only refusals may be about having asked for several.
    if (code !== 'refused' && code !== 'not-supported' && code !== 'malformed' && code !== 'not-found')
      return new Map(
        ids.map((id) => [
          id,
          { device: { jid, id }, namespace, code: 'bundle-unavailable', cause: error } as const,
        ]),
      )
  }
  const found = new Map<number, FetchedBundle>()
  for (const id of ids) {
    const item = itemOf(namespace, items, id)
    // Services may leave some out of a long answer (XEP-0060 §6.5.4).
    const one = item ? await verified(account, batch, id, item) : await fetchOne(account, batch, id, signal)
    found.set(id, one)
  }
  return found
}

async function fetchOne(
  account: Account,
  batch: Batch,
  id: number,
  signal: Signal | undefined,
): Promise<FetchedBundle> {
  const { jid, namespace } = batch
  const failed = (code: BundleCode, cause: unknown) => ({ device: { jid, id }, namespace, code, cause })
  try {
    const item = itemOf(namespace, await ask(account, batch, [id], signal), id)
    return item
      ? await verified(account, batch, id, item)
      : failed('bundle-missing', new OmemoError('bundle-malformed', 'bundle: no such item'))
  } catch (error) {
    const code = pepCode(error, signal)
    if (code === 'not-found') return failed('bundle-missing', error)
    return failed(code === 'malformed' ? 'bundle-malformed' : 'bundle-unavailable', error)
  }
}

function ask(
  { connection, jid: own }: Account,
  { jid, namespace }: Batch,
  ids: readonly number[],
  signal: Signal | undefined,
): Promise<readonly Item[]> {
  const format = bundles[namespace]
  const { node } = format.location(ids[0] as number)
  const owner = jid === own ? undefined : jid
  // Of 0.3 it is the last item of a node of its own, whatever it is called.
  const asked = namespace === AXOLOTL ? {} : { ids: ids.map((id) => format.location(id).item) }
  return fetchItems(connection, node, { owner, ...asked, signal, timeoutMs: ASK_TIMEOUT_MS })
}

function itemOf(namespace: Namespace, items: readonly Item[], id: number): Item | undefined {
  return bundles[namespace].itemOf(
    items.map((item) => ({ ...item, id: item.id ?? '' })),
    id,
  )
}

/** What can be wrong with a bundle, and is a reason to leave its device out. */
const CODES = [
  'bundle-malformed',
  'bundle-signature-invalid',
  'bundle-without-pre-keys',
  'key-invalid',
] as const satisfies readonly (OmemoErrorCode & BundleCode)[]

async function verified(account: Account, batch: Batch, id: number, item: Item): Promise<FetchedBundle> {
  const { jid, namespace } = batch
  const about = { device: { jid, id }, namespace }
  try {
    if (item.payload === undefined)
      throw new OmemoError('bundle-malformed', 'bundle: an item without payload')
    const bundle = bundles[namespace].decode(item.payload)
    return { ...about, bundle: await compute(account, verifyBundle(protocols[namespace], bundle)) }
  } catch (error) {
    const code = error instanceof OmemoError ? CODES.find((known) => known === error.code) : undefined
    if (code === undefined) throw error
    return { ...about, code, cause: error }
  }
}
