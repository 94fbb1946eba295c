import { type Checks, type Ground, must, put, refused, remove, token, value } from './ground.ts'

/** Checks of what makes a token stale, through the other handle, and of what does not. */
export const tokenChecks: Checks = {
  'tokens: an update that was not seen': stale({
    before: ({ store }) => put(store, ['a', value(1)]),
    change: ({ other }) => put(other, ['a', value(2)]),
  }),

  'tokens: the same bytes put again': stale({
    before: ({ store }) => put(store, ['a', value(1)]),
    change: ({ other }) => put(other, ['a', value(1)]),
  }),

  'tokens: changed, and changed back': stale({
    before: ({ store }) => put(store, ['a', value(1)]),
    async change({ other }) {
      await put(other, ['a', value(2)])
      await put(other, ['a', value(1)])
    },
  }),

  'tokens: deleted': stale({
    before: ({ store }) => put(store, ['a', value(1)]),
    change: ({ other }) => remove(other, 'a'),
  }),

  'tokens: deleted, and created again': stale({
    before: ({ store }) => put(store, ['a', value(1)]),
    async change({ other }) {
      await remove(other, 'a')
      await put(other, ['a', value(1)])
    },
  }),

  'tokens: absent, and created': stale({
    before: async () => {},
    change: ({ other }) => put(other, ['a', value(1)]),
  }),

  'tokens: absent, created, and deleted': stale({
    before: async () => {},
    async change({ other }) {
      await put(other, ['a', value(1)])
      await remove(other, 'a')
    },
  }),

  'tokens: deleted, created, and deleted': stale({
    async before({ store }) {
      await put(store, ['a', value(1)])
      await remove(store, 'a')
    },
    async change({ other }) {
      await put(other, ['a', value(1)])
      await remove(other, 'a')
    },
  }),

  async 'tokens: stay stale through a long history'({ store, other }) {
    const old: string[] = []
    for (let round = 0; round < 12; round++) {
      old.push(await token(store, 'a'))
      if (round % 3 === 2) await remove(other, 'a')
      else await put(other, ['a', value(round)], ['b', value(round)])
    }
    must(new Set(old).size === old.length, 'a token was used again')
    for (const one of old) await refused(store, [one], 'after a long history')
  },

  async 'tokens: what is only read counts'({ store, other }) {
    await put(store, ['a', value(1)], ['b', value(1)])
    const [a, b] = await store.read(['a', 'b'])
    must(await other.commit([a!.token, b!.token], { put: [['a', value(2)]] }), 'current tokens were refused')
    const skewed = await store.commit([a!.token, b!.token], { put: [['b', value(2)]] })
    must(!skewed, 'two commits each changed what the other had only read')
  },

  async 'tokens: are strings, good after a detour, in any handle'({ store, other }) {
    await put(store, ['a', value(1)])
    const { token: listed } = await store.list('a')
    const tokens = [await token(store, 'a'), await token(store, 'b'), listed]
    const detoured: string[] = JSON.parse(JSON.stringify(tokens))
    must(await other.commit(detoured, { put: [['b', value(1)]] }), 'current tokens were refused')
  },

  ...phantoms(''),
  ...phantoms('dir/'),
}

interface Story {
  before(ground: Ground): Promise<void>
  change(ground: Ground): Promise<void>
}

/** Reads `a`, lets the change happen, and expects the token to be stale for any later commit. */
function stale({ before, change }: Story) {
  return async (ground: Ground): Promise<void> => {
    const { store, other } = ground
    await before(ground)
    const seen = await token(store, 'a')
    must(await store.commit([seen], {}), 'a token just read was refused')
    await change(ground)
    await refused(store, [seen], 'after the change')
    await refused(other, [seen], 'after the change')
    must((await token(store, 'a')) !== seen, 'the same token before and after the change')
    must(await store.commit([await token(store, 'a')], {}), 'a token just read was refused')
  }
}

/** A list counts as a reading of every key that is or could be in it. */
function phantoms(prefix: string): Checks {
  const [a, b, c] = [`${prefix}a`, `${prefix}b`, `${prefix}c`]
  const changes: Readonly<Record<string, (ground: Ground) => Promise<void>>> = {
    created: ({ other }) => put(other, [c, value(1)]),
    changed: ({ other }) => put(other, [a, value(2)]),
    'put again': ({ other }) => put(other, [a, value(1)]),
    deleted: ({ other }) => remove(other, a),
    async 'replaced by another'({ other }) {
      await remove(other, a)
      await put(other, [c, value(1)])
    },
    async 'created and deleted'({ other }) {
      await put(other, [c, value(1)])
      await remove(other, c)
    },
    async 'deleted and created'({ other }) {
      await remove(other, a)
      await put(other, [a, value(1)])
    },
  }
  const named = Object.entries(changes).map(([name, change]) => {
    const check = async (ground: Ground): Promise<void> => {
      const { store } = ground
      await put(store, [a, value(1)], [b, value(1)])
      const { token: seen } = await store.list(prefix)
      must(await store.commit([seen], {}), 'the token of a list just made was refused')
      await change(ground)
      await refused(store, [seen], `a key of the list was ${name}`)
      must((await store.list(prefix)).token !== seen, 'the same token of a list before and after the change')
    }
    return [`phantoms: ${name}, under ${JSON.stringify(prefix)}`, check] as const
  })
  const empty = async ({ store, other }: Ground): Promise<void> => {
    const { token: seen } = await store.list(prefix)
    await put(other, [a, value(1)])
    await refused(store, [seen], 'an empty list has got a key')
  }
  return Object.fromEntries([...named, [`phantoms: first of all, under ${JSON.stringify(prefix)}`, empty]])
}
