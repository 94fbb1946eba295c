/**
 * Which versions of records were seen, to notice one that comes back after it was replaced.
 *
 * Each time a record is sealed it gets a nonce of its own, so that nobody honest ever writes the same version again.
 * What is known of versions is known in the order of `moment`s: an answer is newer than what was known when it was
 * asked for, and says nothing about what was learnt while it was under way.
 */

/**
 * How many records, and how many versions of them that were replaced, are remembered; the oldest are forgotten. With
 * keys of a hundred bytes each, and some hundred bytes for the rest, they take 5 MB.
 */
export const MAX_SEALED_VERSIONS = 16_384

/** @internal */
export interface SealedVersions {
  /** Now, before something is asked of the store. */
  moment(): number
  /**
   * Learns the version that a record has, or that it is absent, from an answer to what was asked at `asked`.
   *
   * @returns false when that version was known to be replaced before
   */
  learn(key: string, version: string | undefined, asked: number): boolean
  /** The keys with that prefix of which a version is known. */
  known(prefix: string): readonly string[]
}

/** @internal */
export function sealedVersions(): SealedVersions {
  const current = new Map<string, { readonly version: string; readonly learnt: number }>()
  const replaced = new Map<string, number>()
  let now = 0
  return {
    moment: () => ++now,
    known: (prefix) => [...current.keys()].filter((key) => key.startsWith(prefix)),
    learn(key, version, asked) {
      const ended = version === undefined ? undefined : replaced.get(version)
      // Replaced while the answer was under way: it is late, not false.
      if (ended !== undefined) return ended >= asked
      const known = current.get(key)
      if (known?.version === version) return true
      // Either may be the newer one; the next answer will tell.
      if (known && known.learnt >= asked) return true
      if (known) remember(replaced, known.version, ++now)
      current.delete(key)
      if (version !== undefined) remember(current, key, { version, learnt: ++now })
      return true
    },
  }
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.set(key, value)
  if (map.size <= MAX_SEALED_VERSIONS) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
