/**
 * A plain store with one counter, and ways of getting it wrong that are seen in real ones. It is written
 * without the code under test, except for the checks of arguments.
 */
import { type Batch, type Bytes, checkBatch, checkKey, checkPrefix, type Store } from '../src/index.ts'

export interface Faults {
  /** Commits whatever the tokens say: last write wins. */
  ignoresTokens?: boolean
  /** Refuses everything that depends on something, or on more than so much. */
  refusesAbove?: number
  /** Waits between checking and writing, without a lock. */
  raceInCommit?: boolean
  /** Writes key by key, and lets others in between. */
  writesSlowly?: boolean
  /** Reads key by key, and lets others in between. */
  readsSlowly?: boolean
  /** Lets others in before it looks at what it was given. */
  takesLate?: boolean
  /** Writes, and then looks at the tokens. */
  writesBeforeChecking?: boolean
  /** Finds a bad key when it has written others. */
  validatesLate?: boolean
  /** Does not look at keys and values at all. */
  validatesNothing?: boolean
  /** What a token says of a key or a list. */
  token?: (state: State, key: string) => string
  listToken?: (state: State, prefix: string, keys: readonly string[]) => string
  /** Takes this token for a current one, always. */
  trusts?: string
  /** Takes any text for a current token, unless it is one that it knows to be stale. */
  trustsStrangers?: boolean
  /** Tokens do not say of which store they are. */
  tokensOfAnyStore?: boolean
  /** Another handle takes none of this one's tokens. */
  tokensOfHandle?: boolean
  /** Looks at the tokens of the keys in the batch only. */
  checksOnlyWritten?: boolean
  /** Does nothing, and says true, when there is nothing to write. */
  skipsEmpty?: boolean
  /** Counts empty commits as changes, with new tokens for all. */
  countsEmpty?: boolean
  /** Refuses to write without tokens what is there already. */
  insertsOnly?: boolean
  /** Fails on deleting what is absent. */
  deleteNeedsKey?: boolean
  keepsArrays?: boolean
  returnsArrays?: boolean
  returnsBuffers?: boolean
  emptyIsAbsent?: boolean
  /** Keeps text, not bytes. */
  keepsText?: boolean
  valueBytes?: number
  /** Takes no more than so many keys in a commit and drops the rest. */
  batchSize?: number
  /** What becomes of a key on its way to the database. */
  key?: (key: string) => string
  /** Which keys a prefix matches. */
  matches?: (key: string, prefix: string) => boolean
  /** Answers in an order of its own. */
  answers?: (keys: readonly string[]) => readonly string[]
  /** Forgets its counter when it is opened again. */
  forgetsCounter?: boolean
  forgetsAll?: boolean
  /** Rejects a commit whose tokens are stale, where it should say false. */
  rejectsStale?: boolean
}

export interface State {
  /** Tells stores apart; kept when a store is opened again. */
  id: number
  values: Map<string, Bytes>
  /** When each key was last changed; deleted keys are in it too. */
  changed: Map<string, number>
  /** How often each key was put since it was created. */
  versions: Map<string, number>
  counter: number
}

let stores = 0

const pause = (): Promise<void> => Promise.resolve()

export function honestStore(faults: Faults = {}): { store: Store; state: State } {
  const state: State = {
    id: ++stores,
    values: new Map(),
    changed: new Map(),
    versions: new Map(),
    counter: 0,
  }
  const name = faults.key ?? ((key) => key)
  const matches = faults.matches ?? ((key, prefix) => key.startsWith(prefix))
  const keysOf = (prefix: string): string[] => [...state.values.keys()].filter((key) => matches(key, prefix))
  const tokenOf = faults.token ?? (() => `all ${state.counter}`)
  const listTokenOf = faults.listToken ?? (() => `all ${state.counter}`)
  const tokens = new Map<string, { key?: string; current: () => string }>()
  const issue = (say: () => string, key?: string): string => {
    const current = (): string => (faults.tokensOfAnyStore ? say() : `${state.id} ${say()}`)
    tokens.set(current(), key === undefined ? { current } : { current, key })
    return current()
  }
  const isCurrent = (token: string, batch: Batch): boolean => {
    const issued = tokens.get(token)
    if (token === `${state.id} ${faults.trusts}`) return true
    if (!issued) return Boolean(faults.trustsStrangers)
    const { key, current } = issued
    const written = batch.delete?.some((one) => one === key) || batch.put?.some(([one]) => one === key)
    return current() === token || Boolean(faults.checksOnlyWritten && key !== undefined && !written)
  }
  const out = (bytes: Bytes | undefined): Bytes | undefined => {
    if (bytes === undefined || (faults.emptyIsAbsent && bytes.length === 0)) return undefined
    if (faults.returnsArrays) return bytes
    if (faults.returnsBuffers) return Buffer.from(bytes)
    return new Uint8Array(bytes)
  }
  const into = (bytes: Uint8Array): Bytes => {
    if (faults.keepsArrays) return bytes as Bytes
    if (faults.keepsText) return new Uint8Array(new TextEncoder().encode(new TextDecoder().decode(bytes)))
    return new Uint8Array(bytes.subarray(0, faults.valueBytes))
  }
  const change = (key: string, value: Bytes | undefined): void => {
    if (value) state.values.set(key, value)
    else state.values.delete(key)
    if (value) state.versions.set(key, (state.versions.get(key) ?? 0) + 1)
    else state.versions.delete(key)
    state.changed.set(key, state.counter)
  }
  const apply = async (batch: Batch): Promise<void> => {
    state.counter++
    const puts = (batch.put ?? []).slice(0, faults.batchSize)
    for (const [key, value] of puts) {
      if (faults.validatesLate) checkKey(key)
      change(name(key), into(value))
      if (faults.writesSlowly) await pause()
    }
    for (const key of batch.delete ?? []) change(name(key), undefined)
    if (faults.validatesLate) checkBatch(batch)
  }
  const store: Store = {
    async read(keys) {
      if (faults.takesLate) await pause()
      if (!faults.validatesNothing) keys.forEach(checkKey)
      const answers = []
      for (const key of faults.answers?.(keys) ?? keys) {
        const token = issue(() => tokenOf(state, name(key)), name(key))
        answers.push({ value: out(state.values.get(name(key))), token })
        if (faults.readsSlowly) await pause()
      }
      return answers
    },
    async list(prefix) {
      if (!faults.validatesNothing) checkPrefix(prefix)
      const entries: [string, Bytes][] = []
      const token = issue(() => listTokenOf(state, name(prefix), keysOf(name(prefix))))
      for (const key of keysOf(name(prefix))) {
        const value = out(state.values.get(key))
        if (value) entries.push([key, value])
        if (faults.readsSlowly) await pause()
      }
      return { entries, token }
    },
    async commit(read, batch) {
      if (faults.takesLate) await pause()
      if (!faults.validatesLate && !faults.validatesNothing) checkBatch(batch)
      const empty = !batch.put?.length && !batch.delete?.length
      if (faults.skipsEmpty && empty) return true
      const present = batch.put?.some(([key]) => state.values.has(key))
      if (faults.insertsOnly && read.length === 0 && present) return false
      if (faults.deleteNeedsKey && batch.delete?.some((key) => !state.values.has(key)))
        throw new Error('absent')
      if (faults.writesBeforeChecking) await apply(batch)
      if (read.length > (faults.refusesAbove ?? Number.POSITIVE_INFINITY)) return false
      const stale = !faults.ignoresTokens && !read.every((token) => isCurrent(token, batch))
      if (stale && faults.rejectsStale) throw new Error('serialization failure')
      if (stale) return false
      if (faults.raceInCommit) await pause()
      if (faults.writesBeforeChecking || (empty && !faults.countsEmpty)) return true
      await apply(batch)
      return true
    },
  }
  return { store, state }
}
