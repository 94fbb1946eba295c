/** A map that forgets what has not been put or got for longest, so that strangers cannot fill the memory. */
export interface Bounded<V> {
  get(key: string): V | undefined
  /** Gives the keys that were forgotten for it. */
  put(key: string, value: V): readonly string[]
  delete(key: string): boolean
  keys(): readonly string[]
  clear(): void
}

export function bounded<V>(max: number): Bounded<V> {
  const values = new Map<string, V>()
  const put = (key: string, value: V): readonly string[] => {
    values.delete(key)
    values.set(key, value)
    const gone: string[] = []
    for (const old of values.keys()) {
      if (values.size <= max) break
      values.delete(old)
      gone.push(old)
    }
    return gone
  }
  return {
    put,
    get(key) {
      const value = values.get(key)
      if (value !== undefined) put(key, value)
      return value
    },
    delete: (key) => values.delete(key),
    keys: () => [...values.keys()],
    clear: () => values.clear(),
  }
}
