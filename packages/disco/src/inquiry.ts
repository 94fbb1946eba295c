/** Asking an entity what it can do, or knowing it from somebody who claims the same. */

import {
  type BareJid,
  type Connection,
  type FullJid,
  type RequestOptions,
  type Signal,
  StanzaError,
} from '@xmpp-e2e/xml'
import { ask } from './ask.ts'
import { bounded } from './bounded.ts'
import { type CapsCache, claimKey, MAX_INFO_LENGTH } from './cache.ts'
import { type Claim, verify } from './claim.ts'
import type { Hash } from './hash.ts'
import { type Info, infoQuery, readInfo } from './info.ts'
import { shared } from './shared.ts'

/**
 * Milliseconds that an entity has to back a claim, two thirds of them to answer about the node. Others with the same
 * claim wait for it, so it must be shorter than a request usually has: who never answers must not hold up everybody.
 */
export const CLAIM_TIMEOUT_MS = 15_000

/**
 * Entities with the same claim that the others wait for, one after the other, before each is asked for itself. So one
 * that lies costs one question, and those who never answer 45 s.
 */
export const MAX_CLAIMANTS = 3

/** Answers that are remembered for one address only, as its claim cannot be shared. */
export const MAX_PRIVATE = 512

export interface InquiryOptions {
  readonly connection: Connection
  readonly cache: CapsCache
  readonly hashes: readonly Hash[]
}

export interface Inquiry {
  /** What the entity says now: without a cache. */
  ask(jid: BareJid | FullJid, node?: string, signal?: Signal): Promise<Info>
  /** What its claims stand for. */
  claimed(jid: BareJid | FullJid, claims: readonly Claim[], signal?: Signal): Promise<Info>
  forget(): void
}

const keyOf = (claims: readonly Claim[]): string => claims.map(claimKey).join('\n')

export function inquiry({ connection, cache, hashes }: InquiryOptions): Inquiry {
  /** Answers by address; they count as long as the claims are the same. */
  const remembered = bounded<{ readonly key: string; readonly info: Info }>(MAX_PRIVATE)
  /** Whoever is asked about a claim first tells the others whether it may be shared. */
  const claimants = new Map<string, Promise<Info | undefined>>()
  const asked = shared<Info>()
  const askedOnClaim = shared<Info>()

  /** Claims whose hash can be computed. Where a set of XEP-0390 is among them, it alone counts (§7.2). */
  function usable(claims: readonly Claim[]): readonly Claim[] {
    const computable = claims.filter(({ algorithm }) => hashes.some(({ name }) => name === algorithm))
    const sets = computable.filter(({ xep }) => xep === '0390')
    return sets.length > 0 ? sets : computable
  }

  const query = (jid: string, node: string | undefined, options: RequestOptions = {}) =>
    ask(connection, jid, infoQuery(undefined, node), options)

  /** Some no longer know the node of what they have just announced; what they say without it has a hash as well. */
  async function queryClaim(jid: string, node: string | undefined) {
    const second = CLAIM_TIMEOUT_MS / 3
    try {
      return await query(jid, node, { timeoutMs: CLAIM_TIMEOUT_MS - second })
    } catch (error) {
      if (error instanceof StanzaError && error.condition === 'item-not-found')
        return query(jid, undefined, { timeoutMs: second })
      throw error
    }
  }

  async function known(jid: string, claims: readonly Claim[]): Promise<Info | undefined> {
    for (const claim of usable(claims)) {
      const info = await cache.get(claim)
      if (info) return info
    }
    const answer = remembered.get(jid)
    return answer?.key === keyOf(claims) ? answer.info : undefined
  }

  /** Asks one entity; `common` is what everybody with the claim may use. */
  async function back(jid: string, claim: Claim | undefined, claims: readonly Claim[]) {
    const { query, lang } = await queryClaim(jid, claim?.node)
    let verified: Info | undefined
    let common: Info | undefined
    for (const one of claims) {
      const verdict = verify(query, one, hashes, lang)
      if (verdict.kind !== 'verified') continue
      verified ??= verdict.info
      if (!verdict.shareable) continue
      if (one === claim) common = verdict.info
      await cache.put(one, verdict.info)
    }
    const info = common ?? verified ?? readInfo(query)
    if (JSON.stringify(info).length <= MAX_INFO_LENGTH) remembered.put(jid, { key: keyOf(claims), info })
    return { info, common }
  }

  async function claimed(jid: string, claims: readonly Claim[]): Promise<Info> {
    const found = await known(jid, claims)
    if (found) return found
    const [claim] = usable(claims)
    if (!claim) return (await back(jid, claims[0], claims)).info
    const key = claimKey(claim)
    let other = claimants.get(key)
    for (let i = 0; other && i < MAX_CLAIMANTS; i++) {
      const common = await other
      if (common) return common
      // Of those who have waited in vain, the first has taken the place of the one they waited for.
      other = claimants.get(key)
    }
    const asking = back(jid, claim, claims)
    // Not knowing is no reason for those who wait to fail: they ask for themselves.
    const told = asking.then(
      (answer) => answer.common,
      () => undefined,
    )
    if (!claimants.has(key)) {
      claimants.set(key, told)
      void told.then(() => claimants.delete(key))
    }
    return (await asking).info
  }

  // No JID has a line break.
  return {
    ask: (jid, node, signal) =>
      asked(
        node === undefined ? jid : `${jid}\n${node}`,
        async () => readInfo((await query(jid, node)).query),
        signal,
      ),
    claimed: (jid, claims, signal) =>
      askedOnClaim(`${jid}\n${keyOf(claims)}`, () => claimed(jid, claims), signal),
    forget: remembered.clear,
  }
}
