/** What was computed from bytes, for as long as it fits. */

/** @internal */
export interface Cache<T> {
  get(bytes: Uint8Array): Promise<T> | undefined
  /** Failures are not kept. */
  set(bytes: Uint8Array, value: Promise<T>): Promise<T>
}

interface Entry<T> {
  readonly bytes: Uint8Array
  readonly value: Promise<T>
}

/** @internal Those that were used last, up to so many bytes of keys. */
export function cacheByBytes<T>(limit: number): Cache<T> {
  const entries = new Map<string, Entry<T>>()
  let size = 0
  const remove = (name: string) => {
    size -= entries.get(name)?.bytes.length ?? 0
    entries.delete(name)
  }
  return {
    get(bytes) {
      const name = nameOf(bytes)
      const entry = entries.get(name)
      if (entry === undefined || !isEqual(entry.bytes, bytes)) return undefined
      entries.delete(name)
      entries.set(name, entry)
      return entry.value
    },
    async set(bytes, value) {
      const name = nameOf(bytes)
      remove(name)
      if (bytes.length <= limit) {
        entries.set(name, { bytes: bytes.slice(), value })
        size += bytes.length
      }
      for (const oldest of entries.keys()) {
        if (size <= limit) break
        remove(oldest)
      }
      try {
        return await value
      } catch (error) {
        if (entries.get(name)?.value === value) remove(name)
        throw error
      }
    },
  }
}

/** FNV-1a over all bytes, and the length; those that collide take each other's place. */
function nameOf(bytes: Uint8Array): string {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return `${bytes.length} ${hash}`
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index])
}
