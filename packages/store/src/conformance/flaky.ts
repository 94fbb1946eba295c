/** A store whose commits fail without saying whether they wrote. */

import type { Store } from '../store.ts'

/**
 * - `fine`: nothing happens to the commit.
 * - `lost`: it is not made, and rejects.
 * - `unsaid`: it is made, and rejects.
 * - `late`: it rejects, and is made just before the next commit, if its tokens are current then.
 */
export type Fate = 'fine' | 'lost' | 'unsaid' | 'late'

/** `fate` is asked at each commit, counted from 0. Reads are not touched. */
export function flaky(store: Store, fate: (commit: number) => Fate): Store {
  let commits = 0
  let late: (() => Promise<boolean>)[] = []
  return {
    read: (keys) => store.read(keys),
    list: (prefix) => store.list(prefix),
    async commit(tokens, batch) {
      const [due, its] = [late, fate(commits++)]
      late = []
      for (const commit of due) await commit()
      if (its === 'fine') return store.commit(tokens, batch)
      if (its === 'unsaid') await store.commit(tokens, batch)
      if (its === 'late') late.push(() => store.commit(tokens, batch))
      throw new Error('flaky: the connection to the store was lost')
    },
  }
}
