/**
 * A store that lives as long as the process. Its tokens show the scheme that suits durable stores as well:
 * one counter of commits, a token that says "as of commit n of this store", and a log of which key changed at which
 * commit. A durable store keeps its name with the data and draws it at random.
 */

import { type Batch, type Bytes, checkBatch, checkKey, checkPrefix, type Store } from './store.ts'

/**
 * How many changed keys are remembered; a token older than all of them is refused. Four commits of a thousand
 * sessions fit between a read and its commit, and checking a list walks through at most this many.
 */
const LOG_LENGTH = 4096

// What a memory store is called in its tokens. They are worth nothing beyond the process, so that counting will do.
let stores = 0

/** An empty store; copies go in and copies come out. */
export function memoryStore(): Store {
  const values = new Map<string, Bytes>()
  // The keys of `values`, sorted, so that listing does not walk through everything.
  const sorted: string[] = []
  // The last commit that changed a key; oldest first, because a changed key is moved to the end.
  const changes = new Map<string, number>()
  const name = `${++stores}:`
  let revision = 0
  let forgotten = 0

  const isCurrent = (token: string): boolean => {
    const [, since = '', kind, subject = ''] = /^[0-9]+:([0-9]+)([=^])(.*)$/su.exec(token) ?? []
    const at = Number(since)
    if (kind === undefined || !token.startsWith(name) || at < forgotten || at > revision) return false
    if (kind === '=') return (changes.get(subject) ?? 0) <= at
    for (const [key, changed] of changes) if (changed > at && key.startsWith(subject)) return false
    return true
  }

  const change = (key: string, value: Bytes | undefined): void => {
    const at = position(sorted, key)
    if (value === undefined) {
      if (values.delete(key)) sorted.splice(at, 1)
    } else {
      if (!values.has(key)) sorted.splice(at, 0, key)
      values.set(key, value)
    }
    changes.delete(key)
    changes.set(key, revision)
  }

  const forget = (): void => {
    for (const [key, changed] of changes) {
      if (changes.size <= LOG_LENGTH) return
      changes.delete(key)
      forgotten = changed
    }
  }

  return {
    async read(keys) {
      keys.forEach(checkKey)
      return keys.map((key) => {
        const value = values.get(key)
        return { value: value && new Uint8Array(value), token: `${name}${revision}=${key}` }
      })
    },

    async list(prefix) {
      checkPrefix(prefix)
      const entries: [string, Bytes][] = []
      for (let i = position(sorted, prefix); sorted[i]?.startsWith(prefix); i++)
        entries.push([sorted[i]!, new Uint8Array(values.get(sorted[i]!)!)])
      return { entries, token: `${name}${revision}^${prefix}` }
    },

    async commit(tokens, batch: Batch) {
      checkBatch(batch)
      if (!tokens.every(isCurrent)) return false
      revision++
      for (const [key, value] of batch.put ?? []) change(key, new Uint8Array(value))
      for (const key of batch.delete ?? []) change(key, undefined)
      forget()
      return true
    },
  }
}

/** Where a key is in a sorted list, or would be. */
function position(sorted: readonly string[], key: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}
