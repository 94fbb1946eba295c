/** Ways of getting a store wrong that are seen in real ones, and the checks that must notice. */
import type { Store } from '../src/index.ts'
import { type Faults, honestStore, type State } from './plain-store.ts'

/** The same data, but tokens of its own. */
const foreign = (store: Store): Store => ({
  async read(keys) {
    return (await store.read(keys)).map(({ value, token }) => ({ value, token: `foreign ${token}` }))
  },
  async list(prefix) {
    const { entries, token } = await store.list(prefix)
    return { entries, token: `foreign ${token}` }
  },
  commit: (tokens, batch) =>
    store.commit(
      tokens.map((token) => (token.replace(/^foreign /u, '') === token ? '' : token.slice(8))),
      batch,
    ),
})

interface FaultyStore {
  readonly fault: string
  readonly open: () => Store
  readonly peer?: (store: Store) => Store
  readonly reopen?: (store: Store) => Store
  /** The checks that must fail, among others. */
  readonly caughtBy: readonly string[]
}

const faulty = (fault: string, faults: Faults, ...caughtBy: string[]): FaultyStore => {
  const states = new Map<Store, State>()
  return {
    fault,
    open() {
      const { store, state } = honestStore(faults)
      states.set(store, state)
      return store
    },
    ...(faults.tokensOfHandle && { peer: foreign }),
    ...((faults.forgetsCounter || faults.forgetsAll) && {
      reopen(store: Store) {
        const { store: next, state } = honestStore(faults)
        state.id = states.get(store)!.id
        if (faults.forgetsCounter)
          for (const [key, value] of states.get(store)!.values) state.values.set(key, value)
        return next
      },
    }),
    caughtBy,
  }
}

const changedAt = (state: State, key: string): number => state.changed.get(key) ?? 0
const present = (state: State, key: string): boolean => state.values.has(key)
const lists = (...names: readonly string[]): string[] =>
  names.flatMap((name) => [`phantoms: ${name}, under ""`, `phantoms: ${name}, under "dir/"`])
const versions = (state: State, keys: readonly string[]): string =>
  keys.map((key) => `${key} ${changedAt(state, key)}`).join()
const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/gu, '\\$&')
const like = (pattern: string): RegExp =>
  new RegExp(`^${literal(pattern).replaceAll('%', '.*').replaceAll('_', '.')}$`, 'su')
const glob = (pattern: string): RegExp =>
  new RegExp(`^${literal(pattern).replaceAll('\\*', '.*').replaceAll('\\?', '.')}$`, 'su')

/** Honest, and finer than one counter: it never forgets when a key was changed, deleted ones included. */
export const byKey = {
  token: (state: State, key: string): string => `${key} ${changedAt(state, key)}`,
  listToken: (state: State, prefix: string): string => {
    const changes = [...state.changed].filter(([key]) => key.startsWith(prefix)).map(([, at]) => at)
    return `${prefix}* ${Math.max(0, ...changes)}`
  },
}

export const faultyStores: readonly FaultyStore[] = [
  // Tokens
  faulty(
    'last write wins',
    { ignoresTokens: true },
    'tokens: an update that was not seen',
    'tokens: deleted',
    'tokens: absent, and created',
    'commit: a refused one writes nothing',
    'commit: of two at once one is written',
    'commit: many at once lose no update',
    'commit: one that comes late and was overtaken is refused',
  ),
  faulty(
    'a version of the row, which starts again when the row is created again',
    {
      ...byKey,
      token: (state, key) => `${key} ${present(state, key) ? (state.versions.get(key) ?? 0) : 'none'}`,
    },
    'tokens: deleted, and created again',
  ),
  faulty(
    'one token for all absence',
    {
      ...byKey,
      token: (state, key) => `${key} ${present(state, key) ? changedAt(state, key) : 'none'}`,
    },
    'tokens: absent, created, and deleted',
    'tokens: deleted, created, and deleted',
    'tokens: stay stale through a long history',
  ),
  faulty(
    'a hash of the value for a token',
    {
      ...byKey,
      token: (state, key) => `${key} ${state.values.get(key)?.join() ?? 'none'}`,
    },
    'tokens: the same bytes put again',
    'tokens: changed, and changed back',
  ),
  faulty(
    'no token for absence',
    {
      ...byKey,
      token: (state, key) => (present(state, key) ? `${key} ${changedAt(state, key)}` : 'none'),
    },
    'tokens: absent, and created',
  ),
  faulty(
    'only what is written is checked',
    { ...byKey, checksOnlyWritten: true },
    'tokens: what is only read counts',
  ),
  faulty(
    'tokens of one handle',
    { tokensOfHandle: true },
    'tokens: are strings, good after a detour, in any handle',
  ),
  // Lists
  faulty(
    'lists are not checked',
    { ...byKey, listToken: (_, prefix) => `${prefix}*` },
    ...lists('created', 'deleted', 'first of all'),
  ),
  faulty(
    'the number of keys for a token of a list',
    {
      ...byKey,
      listToken: (_, prefix, keys) => `${prefix}* ${keys.length}`,
    },
    ...lists('changed', 'put again', 'replaced by another'),
  ),
  faulty(
    'the names of keys for a token of a list',
    {
      ...byKey,
      listToken: (_, prefix, keys) => `${prefix}* ${[...keys].sort().join()}`,
    },
    ...lists('changed', 'put again', 'deleted and created'),
  ),
  faulty(
    'the versions of what is there for a token of a list',
    {
      ...byKey,
      listToken: (state, prefix, keys) => `${prefix}* ${versions(state, keys)}`,
    },
    ...lists('created and deleted'),
  ),
  faulty(
    'lists that were empty are not checked',
    {
      ...byKey,
      trusts: 'empty',
      listToken: (state, prefix, keys) => (keys.length === 0 ? 'empty' : byKey.listToken(state, prefix)),
    },
    ...lists('first of all'),
  ),
  // Commits
  faulty('it writes, then checks', { writesBeforeChecking: true }, 'commit: a refused one writes nothing'),
  faulty(
    'it checks, waits, then writes',
    { raceInCommit: true },
    'commit: of two at once one is written',
    'commit: many at once lose no update',
  ),
  faulty('it writes key by key', { writesSlowly: true }, 'commit: half of one is never seen'),
  faulty('it reads key by key', { readsSlowly: true }, 'commit: half of one is never seen'),
  faulty('it checks keys while it writes', { validatesLate: true }, 'commit: a bad batch changes nothing'),
  faulty(
    'it checks no arguments',
    { validatesNothing: true },
    'keys: what is no key is refused',
    'values: what is no array of bytes is refused',
    'keys: the longest is taken, a longer one is refused',
  ),
  faulty(
    'it takes what it is given when it is their turn',
    { takesLate: true },
    'commit: what is given is taken at the call',
    'keys: those asked for are taken at the call',
  ),
  faulty('it takes any token', { trustsStrangers: true }, 'commit: a token of nobody is stale'),
  faulty(
    'its tokens do not say that they are its own',
    { tokensOfAnyStore: true },
    'commit: a token of another store is stale',
  ),
  faulty('an empty commit is always true', { skipsEmpty: true }, 'commit: an empty one checks its tokens'),
  faulty('an empty commit is a change', { countsEmpty: true }, 'commit: an empty one checks its tokens'),
  faulty(
    'it rejects where it should say false',
    { rejectsStale: true },
    'commit: a refused one writes nothing',
    'commit: of two at once one is written',
  ),
  faulty(
    'it refuses all that depends on something',
    { refusesAbove: 0 },
    'commit: many at once lose no update',
    'commit: an unknown outcome is recovered from',
  ),
  faulty(
    'it takes few tokens',
    { refusesAbove: 5 },
    'keys: two thousand in one commit',
    'commit: tokens of both reads and lists, also twice',
  ),
  faulty('it only inserts', { insertsOnly: true }, 'commit: without tokens it always writes'),
  faulty(
    'it cannot delete what is absent',
    { deleteNeedsKey: true },
    'commit: without tokens it always writes',
  ),
  faulty('a commit has room for a thousand keys', { batchSize: 1000 }, 'keys: two thousand in one commit'),
  // Values
  faulty('it keeps the arrays it was given', { keepsArrays: true }, 'values: arrays given are copied'),
  faulty('it returns the arrays it keeps', { returnsArrays: true }, 'values: arrays returned are copies'),
  faulty('it returns Buffers', { returnsBuffers: true }, 'values: arrays returned are copies'),
  faulty('an empty value is none', { emptyIsAbsent: true }, 'values: an empty one is not an absent one'),
  faulty('values are text', { keepsText: true }, 'values: are kept byte for byte'),
  faulty(
    'values are cut at 64 KiB',
    { valueBytes: 65_536 },
    'values: the largest is taken, a larger one is refused',
  ),
  // Keys
  faulty('keys are normalized', { key: (key) => key.normalize('NFC') }, 'keys: unicode is kept as it is'),
  faulty('keys have no case', { key: (key) => key.toLowerCase() }, 'keys: unicode is kept as it is'),
  faulty('keys are trimmed', { key: (key) => key.trim() || key }, 'keys: unicode is kept as it is'),
  faulty(
    'keys are cut at 255',
    { key: (key) => key.slice(0, 255) },
    'keys: the longest is taken, a longer one is refused',
  ),
  faulty(
    'a prefix is a pattern of SQL',
    { matches: (key, prefix) => like(`${prefix}%`).test(key) },
    'keys: prefixes are taken literally',
  ),
  faulty(
    'a prefix is a pattern of Redis',
    { matches: (key, prefix) => glob(`${prefix}*`).test(key) },
    'keys: prefixes are taken literally',
  ),
  faulty(
    'a prefix is a range that ends too early',
    {
      matches: (key, prefix) => key >= prefix && key < `${prefix}\uffff`,
    },
    'keys: prefixes are taken literally',
  ),
  faulty(
    'a prefix is a range that ends in a surrogate, which UTF-8 has none of',
    {
      matches(key, prefix) {
        const last = prefix.codePointAt(prefix.length - 1) ?? 0
        const next = `${prefix.slice(0, -1)}${last === 0xd7ff ? '\ufffd' : String.fromCodePoint(last + 1)}`
        return key.startsWith(prefix) || (last === 0xd7ff && key > prefix && key < next)
      },
    },
    'keys: prefixes are taken literally',
  ),
  faulty(
    'a prefix is a folder',
    {
      matches: (key, prefix) => prefix === '' || key.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`),
    },
    'keys: prefixes are taken literally',
  ),
  faulty(
    'answers are sorted',
    { answers: (keys) => [...keys].sort() },
    'keys: answers come in the order asked for',
  ),
  faulty(
    'answers come once',
    { answers: (keys) => [...new Set(keys)] },
    'keys: answers come in the order asked for',
  ),
  // Opening again
  faulty('its counter starts again', { forgetsCounter: true }, 'reopen: stale tokens stay stale'),
  faulty('all is forgotten', { forgetsAll: true }, 'reopen: what was written is there'),
]
