import { type Checks, holds, lists, must, put, refused, remove, token, value } from './ground.ts'

/** Checks of what outlasts closing and opening again. */
export const reopenChecks: Checks = {
  async 'reopen: what was written is there'({ store, again }) {
    await put(store, ['a', value(1)], ['b', value(2)], ['c', value(3)])
    await remove(store, 'b')
    const [seen] = await store.read(['a'])
    must(await store.commit([seen!.token], { put: [['a', value(4)]] }), 'a current token was refused')
    const reopened = await again()
    await holds(reopened, { a: value(4), b: undefined, c: value(3) }, 'after opening again')
    await lists(reopened, '', ['a', 'c'])
  },

  async 'reopen: stale tokens stay stale'({ store, again }) {
    await put(store, ['a', value(1)])
    const { token: list } = await store.list('')
    const stale = [await token(store, 'a'), await token(store, 'b'), list]
    await remove(store, 'a')
    await put(store, ['b', value(1)])
    const reopened = await again()
    for (const one of stale) await refused(reopened, [one], 'changed before closing')
    // A counter that starts again comes past the old tokens sooner or later.
    for (let round = 0; round < 8; round++) {
      await put(reopened, ['a', value(1)], ['b', value(1)])
      for (const one of stale) await refused(reopened, [one], 'changed again after opening')
      await remove(reopened, 'a', 'b')
      for (const one of stale) await refused(reopened, [one], 'deleted after opening')
    }
  },
}
