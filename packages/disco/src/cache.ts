/**
 * What verified hashes stand for, for everybody who claims them, behind the storage port. Only what `isShareable`
 * allows comes in, and it is verified again when it comes out: the store needs no more trust than the network.
 */

import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { Batch, Store } from '@xmpp-e2e/store'
import { parse, serialize } from '@xmpp-e2e/xml'
import { bounded } from './bounded.ts'
import { type Claim, verify } from './claim.ts'
import type { Hash } from './hash.ts'
import { type Info, infoQuery } from './info.ts'

/** Entries in memory and in the store: the database capsdb has 1567 of all clients in ten years; one account meets dozens. */
export const MAX_CACHED = 512

/** UTF-16 code units of an entry that is kept: the largest of capsdb has 3 k. So a full cache has 8 Mi units at most. */
export const MAX_INFO_LENGTH = 16_384

export interface CapsCache {
  get(claim: Claim): Promise<Info | undefined>
  /** `info` must be verified and shareable. */
  put(claim: Claim, info: Info): Promise<void>
}

const PREFIX = 'caps/'

export function claimKey({ xep, algorithm, hash }: Claim): string {
  return `${PREFIX}${xep}/${algorithm}/${hash}`
}

/** A cache saves questions; a store that fails costs some, and nothing else. So its errors end here. */
export function capsCache(store: Store, hashes: readonly Hash[]): CapsCache {
  const entries = bounded<Uint8Array | Info>(MAX_CACHED)
  let loading: Promise<void> | undefined

  async function load(): Promise<void> {
    const { entries: stored } = await store.list(PREFIX)
    const gone = stored.flatMap(([key, value]) => entries.put(key, value))
    if (gone.length > 0) await write({ delete: gone })
  }

  const ready = async (): Promise<void> => {
    loading ??= load()
    try {
      await loading
    } catch {
      loading = undefined
    }
  }

  const write = async (batch: Batch): Promise<void> => {
    try {
      await store.commit([], batch)
    } catch {}
  }

  return {
    async get(claim) {
      await ready()
      const key = claimKey(claim)
      const entry = entries.get(key)
      if (!entry || 'features' in entry) return entry
      const info = reverified(entry, claim, hashes)
      if (info) entries.put(key, info)
      else entries.delete(key)
      return info
    },

    async put(claim, info) {
      await ready()
      const written = serialize(infoQuery(info))
      if (written.length > MAX_INFO_LENGTH) return
      const key = claimKey(claim)
      const gone = entries.put(key, info)
      await write({ put: [[key, utf8ToBytes(written)]], delete: gone })
    },
  }
}

function reverified(bytes: Uint8Array, claim: Claim, hashes: readonly Hash[]): Info | undefined {
  try {
    const verdict = verify(parse(bytes), claim, hashes)
    return verdict.kind === 'verified' && verdict.shareable ? verdict.info : undefined
  } catch {
    return undefined
  }
}
