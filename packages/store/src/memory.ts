/**
 * A store that lives as long as the process. Its tokens show the scheme that suits durable stores as well:
 * one counter of commits, a token that says "as of commit n of this store", and a log of which key changed at which
 * commit. A durable store keeps its name with the data and draws it at random.
 */

import { changeLog } from './change-log.ts'
import { type Batch, type Bytes, checkBatch, checkKey, checkPrefix, type Store } from './store.ts'

// What a memory store is called in its tokens. They are worth nothing beyond the process, so that counting will do.
let stores = 0

/** An empty store; copies go in and copies come out. */
export function memoryStore(): Store {
  const values = new Map<string, Bytes>()
  // The keys of `values`, sorted, so that listing does not walk through everything.
  const sorted: string[] = []
  const log = changeLog(`${++stores}`, 0)

  const put = (key: string, value: Uint8Array): void => {
    if (!values.has(key)) sorted.splice(position(sorted, key), 0, key)
    values.set(key, new Uint8Array(value))
  }

  const remove = (key: string): void => {
    if (values.delete(key)) sorted.splice(position(sorted, key), 1)
  }

  return {
    async read(keys) {
      keys.forEach(checkKey)
      return keys.map((key) => {
        const value = values.get(key)
        return { value: value && new Uint8Array(value), token: log.token('key', key) }
      })
    },

    async list(prefix) {
      checkPrefix(prefix)
      const entries: [string, Bytes][] = []
      for (let i = position(sorted, prefix); sorted[i]?.startsWith(prefix); i++)
        entries.push([sorted[i]!, new Uint8Array(values.get(sorted[i]!)!)])
      return { entries, token: log.token('prefix', prefix) }
    },

    async commit(tokens, { put: puts = [], delete: deletes = [] }: Batch) {
      checkBatch({ put: puts, delete: deletes })
      if (!tokens.every(log.isCurrent)) return false
      for (const [key, value] of puts) put(key, value)
      for (const key of deletes) remove(key)
      log.record([...puts.map(([key]) => key), ...deletes])
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
