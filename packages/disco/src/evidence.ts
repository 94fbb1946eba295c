/** Asks an account, and its clients, what says that they support a scheme, or that they do not. */

import { type BareJid, type Connection, ConnectionError, type Signal, StanzaError } from '@xmpp-e2e/xml'
import type { Disco } from './disco.ts'
import { DiscoError } from './error.ts'
import { PepError } from './pep/error.ts'
import type { Item } from './pep/item.ts'
import { fetchItems } from './pep/items.ts'
import type { Resource } from './resource.ts'
import { listed, OTR_FEATURE, PROTOCOLS, type Scheme, type SupportEvidence } from './scheme.ts'
import type { Shared } from './shared.ts'

/** Clients of one contact that are asked for OTR. People have three or four; rooms are nobody's. */
export const MAX_ASKED = 16

/** Whom to ask, and what is being fetched already. */
export interface Asking {
  readonly connection: Connection
  readonly disco: Pick<Disco, 'info' | 'resources' | 'hasAll'>
  readonly fetched: Shared<readonly Item[]>
}

/**
 * What goes wrong is evidence, too; only the caller's signal rejects.
 *
 * @throws {ConnectionError} `aborted`
 */
export async function gather(
  asking: Asking,
  jid: BareJid,
  scheme: Scheme,
  signal?: Signal,
): Promise<readonly SupportEvidence[]> {
  const { keyNode } = PROTOCOLS[scheme]
  if (keyNode) return [await publication(asking, jid, scheme, keyNode.node, signal)]
  const there = asking.disco.resources(jid)
  if (scheme === 'otr') {
    const asked = there.slice(0, MAX_ASKED).map((resource) => feature(asking, resource, signal))
    const isAll = there.length <= MAX_ASKED && asking.disco.hasAll(jid)
    return [
      ...(await Promise.all(asked)),
      ...(isAll ? [] : [{ kind: 'failed', of: jid, code: 'too-many' } as const]),
    ]
  }
  return there.filter(({ signed }) => signed).map(({ jid }) => ({ kind: 'signed-presence', jid }))
}

async function publication(
  { connection, fetched }: Asking,
  owner: BareJid,
  scheme: Scheme,
  node: string,
  signal?: Signal,
): Promise<SupportEvidence> {
  // Not the last one alone: one client may have published an empty list beside that of the others.
  const fetch = () => fetchItems(connection, node, { owner })
  try {
    // No bare JID has a slash.
    const items = await fetched(`${owner}/${node}`, fetch, signal)
    const counts = items.map(({ payload }) => payload && listed(payload, scheme))
    const count = counts.reduce<number>((most, one = 0) => Math.max(most, one), 0)
    return count === 0 && counts.includes(undefined)
      ? { kind: 'failed', of: node, code: 'malformed' }
      : { kind: 'published', node, count }
  } catch (error) {
    const code = codeOf(error, signal)
    return code === 'item-not-found' ? { kind: 'not-published', node } : { kind: 'failed', of: node, code }
  }
}

/** A hash may say that a client has the feature; that it has not, only the client itself. */
async function feature(
  { disco }: Asking,
  { jid, claims }: Resource,
  signal?: Signal,
): Promise<SupportEvidence> {
  const has = async (fresh: boolean) =>
    (await disco.info(jid, { fresh, signal })).features.includes(OTR_FEATURE)
  try {
    const is = (claims.length > 0 && (await has(false))) || (await has(true))
    return { kind: 'feature', jid, feature: OTR_FEATURE, has: is }
  } catch (error) {
    return { kind: 'failed', of: jid, code: codeOf(error, signal) }
  }
}

/** What an error of a question is called; throws what is none. */
function codeOf(error: unknown, signal: Signal | undefined): string {
  if (signal?.aborted) throw error
  const cause = error instanceof PepError ? error.cause : error
  if (cause instanceof StanzaError) return cause.condition
  if (error instanceof PepError || error instanceof ConnectionError || error instanceof DiscoError)
    return error.code
  throw error
}
