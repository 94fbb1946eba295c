import type { Put } from '../store.ts'
import { update } from '../update.ts'
import { type Fate, flaky } from './flaky.ts'
import {
  type Checks,
  type Ground,
  holds,
  must,
  put,
  refused,
  rejects,
  remove,
  token,
  value,
  write,
} from './ground.ts'

/** Checks of what a commit does, all of it or nothing. */
export const commitChecks: Checks = {
  async 'commit: a refused one writes nothing'({ store, other }) {
    await put(store, ['a', value(1)], ['b', value(1)])
    const [stale, fresh] = [await token(store, 'a'), await token(store, 'c')]
    await put(other, ['a', value(2)])
    const batch = { put: [['c', value(3)] as const, ['b', value(3)] as const], delete: ['a'] }
    for (const tokens of [[stale], [fresh, stale], [stale, fresh]])
      must(!(await store.commit(tokens, batch)), 'a commit with a stale token was not refused')
    await holds(store, { a: value(2), b: value(1), c: undefined }, 'after refused commits')
  },

  async 'commit: a bad batch changes nothing'({ store }) {
    await put(store, ['a', value(1)])
    const before = await token(store, 'a')
    const bad = [
      { put: [['a', value(2)] as const, ['\0', value(2)] as const] },
      { put: [['a', value(2)] as const, ['a', value(3)] as const] },
      { put: [['a', value(2)] as const], delete: ['a'] },
      { put: [['b', value(2)] as const], delete: ['a', 'a'] },
    ]
    for (const batch of bad) await rejects(write(store, batch), 'TypeError', 'a bad key, or one twice')
    await holds(store, { a: value(1), b: undefined }, 'after bad batches')
    must(await store.commit([before], {}), 'a bad batch made a token stale')
  },

  async 'commit: what is given is taken at the call'({ store }) {
    await put(store, ['b', value(1)], ['c', value(1)])
    const [given, tokens, deletes] = [value(1), ['of nobody'], ['b', 'c']]
    const puts: Put[] = [['a', given]]
    const commits = [
      // That one is under way already is where it shows that others wait.
      store.commit([], { put: [['d', value(1)]] }),
      store.commit([], { put: puts, delete: deletes }),
      store.commit(tokens, { put: [['e', value(1)]] }),
    ]
    given.fill(9)
    puts[0] = ['f', value(1)]
    deletes.pop()
    tokens.pop()
    const [first, second, third] = await Promise.all(commits)
    must(first === true && second === true, 'a commit without tokens was refused')
    must(third === false, 'a token that the caller has taken away after the call was not looked at')
    const expected = { a: value(1), b: undefined, c: undefined, d: value(1), e: undefined, f: undefined }
    await holds(store, expected, 'after the caller has changed what it gave')
  },

  async 'commit: half of one is never seen'({ store, other }) {
    const pair = (n: number) => [['pair/a', value(n)] as const, ['pair/b', value(n)] as const]
    await put(store, ...pair(0))
    const writer = async (): Promise<void> => {
      for (let n = 1; n <= 50; n++) await put(other, ...pair(n))
    }
    const reader = async (): Promise<void> => {
      for (let n = 0; n < 50; n++) {
        const [a, b] = await store.read(['pair/a', 'pair/b'])
        must(a?.value?.[0] === b?.value?.[0], 'read: one key from before a commit, one from after')
        const { entries } = await store.list('pair/')
        must(entries[0]?.[1][0] === entries[1]?.[1][0], 'list: one key from before a commit, one from after')
      }
    }
    await Promise.all([writer(), reader(), reader()])
  },

  async 'commit: an empty one checks its tokens'({ store, other }) {
    await put(store, ['a', value(1)])
    const before = await token(store, 'a')
    must(await store.commit([], {}), 'nothing on no condition was refused')
    must(await store.commit([before], { put: [], delete: [] }), 'nothing on a current token was refused')
    must(await store.commit([before], {}), 'an empty commit made a token stale')
    await put(other, ['a', value(2)])
    must(!(await store.commit([before], {})), 'nothing on a stale token was not refused')
  },

  async 'commit: without tokens it always writes'({ store, other }) {
    for (const handle of [store, other, store]) await put(handle, ['a', value(1)])
    await remove(store, 'a')
    await remove(other, 'a', 'never there')
    await holds(store, { a: undefined }, 'after deleting twice')
  },

  async 'commit: a token of nobody is stale'({ store }) {
    await put(store, ['a', value(1)])
    for (const foreign of ['', 'x', '0', '99999999999999999999', 'a', '{}', '-1'])
      must(!(await store.commit([foreign], {})), `${JSON.stringify(foreign)} was taken for a token`)
  },

  async 'commit: a token of another store is stale'({ store, another }) {
    const stranger = await another()
    // The same history in both: whatever a token counts, it counts the same.
    for (let round = 0; round < 3; round++) {
      const foreign = [
        await token(stranger, 'a'),
        await token(stranger, 'absent'),
        (await stranger.list('')).token,
      ]
      for (const one of foreign) await refused(store, [one], 'a token of another store')
      for (const one of foreign) await refused(store, [await token(store, 'a'), one], 'one of them foreign')
      for (const each of [store, stranger]) await put(each, ['a', value(round)])
    }
  },

  async 'commit: tokens of both reads and lists, also twice'({ store }) {
    await put(store, ['a/1', value(1)], ['b', value(1)])
    const { token: list } = await store.list('a/')
    const { token: all } = await store.list('')
    const [one, none] = await store.read(['a/1', 'c'])
    const tokens = [list, all, one!.token, none!.token, list, one!.token]
    must(await store.commit(tokens, { put: [['c', value(1)]] }), 'current tokens were refused')
    must(!(await store.commit(tokens, { put: [['c', value(2)]] })), 'the same commit twice was not refused')
    await holds(store, { c: value(1) }, 'after the same commit twice')
  },

  async 'commit: of two at once one is written'({ store, other }) {
    for (let round = 0; round < 20; round++) {
      const [a, b] = [await token(store, 'a'), await token(other, 'a')]
      const results = await Promise.all([
        store.commit([a], { put: [['a', value(1)]], delete: ['b'] }),
        other.commit([b], { put: [['a', value(2)]], delete: ['b'] }),
      ])
      must(
        results[0] !== results[1],
        `of two commits at once ${results[0] ? 'both were' : 'none was'} written`,
      )
      await holds(store, { a: value(results[0] ? 1 : 2) }, 'after two commits at once')
    }
  },

  async 'commit: many at once lose no update'({ store, other }) {
    const increments = async (handle: typeof store): Promise<void> => {
      for (let done = 0, tries = 0; done < 8; tries++) {
        must(tries < 1000, 'no progress: every commit is refused')
        const [counter] = await handle.read(['counter'])
        const next = value((counter?.value?.[0] ?? 0) + 1)
        if (await handle.commit([counter!.token], { put: [['counter', next]] })) done++
      }
    }
    const handles = [store, other, store, other, store, other, store, other]
    await Promise.all(handles.map(increments))
    await holds(store, { counter: value(64) }, 'after 64 increments')
  },

  async 'commit: one that comes late and was overtaken is refused'({ store, other }) {
    const handle = flaky(store, (commit) => (commit === 0 ? 'late' : 'fine'))
    const seen = await token(handle, 'a')
    await rejects(handle.commit([seen], { put: [['a', value(1)]] }), 'Error', 'the first commit')
    await put(other, ['a', value(2)])
    await handle.commit([], {})
    await holds(other, { a: value(2) }, 'after a late commit')
  },

  'commit: an unknown outcome is recovered from': async (ground) => {
    for (const fate of ['lost', 'unsaid', 'late'] as const) await recovers(ground, fate)
  },
}

/** Each update appends one number unless it is there already; every second commit fails in the given way. */
async function recovers({ store, other }: Ground, fate: Fate): Promise<void> {
  const numbers = [1, 2, 3, 4, 5, 6]
  for (const n of numbers) {
    const handle = flaky(n % 2 === 0 ? store : other, (commit) => (commit % 2 === 0 ? fate : 'fine'))
    const length = await update(handle, [fate], ([list = new Uint8Array(0)]) =>
      list.includes(n)
        ? { result: list.length }
        : { put: [[fate, Uint8Array.of(...list, n)]], result: list.length + 1 },
    )
    must(length === n, `update: a commit that was ${fate} was not recovered from`)
  }
  await holds(store, { [fate]: Uint8Array.from(numbers) }, `after commits that were ${fate}`)
}
