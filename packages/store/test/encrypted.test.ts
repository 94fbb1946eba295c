import { describe, expect, test } from 'vitest'
import { conformance } from '../src/conformance.ts'
import {
  encrypted,
  MAX_SEALED_KEY_BYTES,
  MAX_SEALED_VALUE_BYTES,
  MAX_SEALED_VERSIONS,
  STORE_KEY_BYTES,
} from '../src/encrypted.ts'
import { checkpoint, memoryStore, type Store, scoped } from '../src/index.ts'
import { counting, Options, rawStore } from './sealed-store.ts'

const key = Uint8Array.from({ length: STORE_KEY_BYTES }, (_, i) => i)
const otherKey = Uint8Array.from({ length: STORE_KEY_BYTES }, (_, i) => 255 - i)
const options = { random: counting() }
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const put = async (store: Store, name: string, text: string): Promise<void> => {
  expect(await store.commit([], { put: [[name, bytes(text)]] })).toBe(true)
}
const get = async (store: Store, name: string): Promise<string | undefined> => {
  const [reading] = await store.read([name])
  return reading?.value && new TextDecoder().decode(reading.value)
}

describe('the kit', () => {
  const below = new WeakMap<Store, Store>()
  const seal = async (store: Store): Promise<Store> => {
    const sealed = await encrypted(store, key, options)
    below.set(sealed, store)
    return sealed
  }
  const again = (sealed: Store): Promise<Store> => seal(below.get(sealed)!)
  const checks = conformance<Store>({
    open: () => seal(memoryStore()),
    peer: again,
    reopen: again,
    keyBytes: MAX_SEALED_KEY_BYTES,
    valueBytes: MAX_SEALED_VALUE_BYTES,
  })
  test.each(checks.map((check) => [check.name, check] as const))('%s', (_, check) => check.run())
})

test('a scope of an encrypted store and an encrypted scope of a store both keep what they are given', async () => {
  const raw = rawStore()
  const outside = scoped(await encrypted(raw.store, key, options), 'a')
  const inside = await encrypted(scoped(raw.store, 'b'), key, options)
  await put(outside, 'x', '1')
  await put(inside, 'x', '2')
  expect([await get(outside, 'x'), await get(inside, 'x')]).toEqual(['1', '2'])
  expect([...(await raw.copy()).keys()].sort()).toEqual(['b/r/x', 'b/seal', 'r/a/x', 'seal'])
})

test('neither values nor the key are stored, nonces differ, and lengths are 41 bytes more', async () => {
  const raw = rawStore()
  const store = await encrypted(raw.store, key, options)
  await put(store, 'a', 'a secret')
  const first = (await raw.copy()).get('r/a')!
  await put(store, 'a', 'a secret')
  await put(store, 'b', 'a secret')
  const copy = await raw.copy()
  const all = [first, ...copy.values()]
  for (const stored of all) {
    const text = Buffer.from(stored).toString('latin1')
    expect(text).not.toContain('secret')
    expect(text).not.toContain(Buffer.from(key).toString('latin1'))
  }
  expect(new Set(all.map((stored) => Buffer.from(stored.subarray(1, 25)).toString('hex'))).size).toBe(
    all.length,
  )
  expect(first.length).toBe('a secret'.length + 41)
  expect(copy.get('r/a')).not.toEqual(first)
})

describe('the key', () => {
  test.each([0, 31, 33, 64])('may not be %i bytes long', async (length) => {
    await expect(encrypted(memoryStore(), new Uint8Array(length), options)).rejects.toThrow(RangeError)
  })

  test('may not be text', async () => {
    await expect(encrypted(memoryStore(), 'x'.repeat(32) as never, options)).rejects.toThrow(TypeError)
  })

  test('is copied', async () => {
    const raw = rawStore()
    const given = new Uint8Array(key)
    const store = await encrypted(raw.store, given, options)
    given.fill(0)
    await put(store, 'a', '1')
    expect(await get(await encrypted(raw.store, key, options), 'a')).toBe('1')
  })

  test('which is wrong is noticed on opening, and nothing is changed', async () => {
    const raw = rawStore()
    await put(await encrypted(raw.store, key, options), 'a', '1')
    const before = await raw.copy()
    await expect(encrypted(raw.store, otherKey, options)).rejects.toMatchObject({ code: 'key-wrong' })
    expect(await raw.copy()).toEqual(before)
  })

  test('needs random bytes of the length asked for', async () => {
    const short = { random: (length: number) => new Uint8Array(length - 1) }
    await expect(encrypted(memoryStore(), key, short)).rejects.toThrow(TypeError)
  })

  test('comes with options that may be an instance of a class', async () => {
    const store = await encrypted(memoryStore(), key, new Options(undefined))
    await put(store, 'a', '1')
    expect(await get(store, 'a')).toBe('1')
  })
})

test('a value that is too long to be sealed is told its own limit, not that of the store beneath', async () => {
  const store = await encrypted(memoryStore(), key, options)
  await store.commit([], { put: [['a', new Uint8Array(MAX_SEALED_VALUE_BYTES)]] })
  const longer = new Uint8Array(MAX_SEALED_VALUE_BYTES + 1)
  const commit = store.commit([], { put: [['a', longer]] })
  await expect(commit).rejects.toThrow(new RangeError('value: expected at most 1048535 bytes, got 1048536'))
})

test('two that open an empty store at once agree', async () => {
  const raw = rawStore()
  const stores = await Promise.all([1, 2, 3].map(() => encrypted(raw.store, key, options)))
  await put(stores[0]!, 'a', '1')
  for (const store of stores) expect(await get(store, 'a')).toBe('1')
})

describe('record-forged', () => {
  const ground = async () => {
    const raw = rawStore()
    const store = await encrypted(raw.store, key, options)
    await put(store, 'session/a', 'first')
    await put(store, 'session/b', 'second')
    return { raw, store, fresh: () => encrypted(raw.store, key, options) }
  }
  const isForged = async (store: Store, name: string): Promise<void> => {
    const forged = { code: 'record-forged', cause: name }
    await expect(store.read([name])).rejects.toMatchObject(forged)
    await expect(store.list('session/')).rejects.toMatchObject(forged)
  }

  test('any bit of a record flipped, and any byte cut off', async () => {
    const { raw, store } = await ground()
    const sealed = (await raw.copy()).get('r/session/a')!
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const flipped = new Uint8Array(sealed)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      await raw.force('r/session/a', flipped)
      await isForged(store, 'session/a')
    }
    for (let length = 0; length < sealed.length; length++) {
      await raw.force('r/session/a', sealed.subarray(0, length))
      await isForged(store, 'session/a')
    }
    await raw.force('r/session/a', sealed)
    expect(await get(store, 'session/a')).toBe('first')
  })

  test('a record under the name of another', async () => {
    const { raw, store, fresh } = await ground()
    const copy = await raw.copy()
    await raw.force('r/session/b', copy.get('r/session/a'))
    await isForged(store, 'session/b')
    await isForged(await fresh(), 'session/b')
    expect(await get(store, 'session/a')).toBe('first')
  })

  test('a record of another store with the same key', async () => {
    const [here, there] = [await ground(), await ground()]
    await here.raw.force('r/session/a', (await there.raw.copy()).get('r/session/a'))
    await isForged(here.store, 'session/a')
    await isForged(await here.fresh(), 'session/a')
  })

  test('what tells the store, put where a record is, and the other way round', async () => {
    const { raw, store, fresh } = await ground()
    const copy = await raw.copy()
    await raw.force('r/session/a', copy.get('seal'))
    await isForged(store, 'session/a')
    await raw.force('seal', copy.get('r/session/b'))
    await expect(fresh()).rejects.toMatchObject({ code: 'key-wrong' })
  })

  test('records without what tells the store: they are not taken for an empty store', async () => {
    const { raw, fresh } = await ground()
    await raw.force('seal', undefined)
    const before = await raw.copy()
    await expect(fresh()).rejects.toMatchObject({ code: 'record-forged' })
    expect(await raw.copy()).toEqual(before)
  })
})

describe('rolled-back', () => {
  const ground = async () => {
    const raw = rawStore()
    const store = await encrypted(raw.store, key, options)
    await put(store, 'a', 'old')
    const copy = await raw.copy()
    return { raw, store, old: copy.get('r/a')!, copy }
  }
  const rolledBack = { code: 'rolled-back', cause: 'a' }

  test('a version that this object has replaced', async () => {
    const { raw, store, old } = await ground()
    await put(store, 'a', 'new')
    await raw.force('r/a', old)
    await expect(store.read(['a'])).rejects.toMatchObject(rolledBack)
    await expect(store.list('')).rejects.toMatchObject(rolledBack)
  })

  test('a version that it has deleted', async () => {
    const { raw, store, old } = await ground()
    await store.commit([], { delete: ['a'] })
    await raw.force('r/a', old)
    await expect(store.read(['a'])).rejects.toMatchObject(rolledBack)
  })

  test('a version that it has seen replaced or deleted by another', async () => {
    const { raw, store, old } = await ground()
    await put(await encrypted(raw.store, key, options), 'a', 'new')
    expect(await get(store, 'a')).toBe('new')
    const newer = (await raw.copy()).get('r/a')
    await raw.force('r/a', old)
    await expect(store.read(['a'])).rejects.toMatchObject(rolledBack)
    await raw.force('r/a', undefined)
    expect(await get(store, 'a')).toBe(undefined)
    await raw.force('r/a', newer)
    await expect(store.read(['a'])).rejects.toMatchObject(rolledBack)
  })

  test('a version that it has seen missing from a list', async () => {
    const { raw, store, old } = await ground()
    await raw.force('r/a', undefined)
    expect((await store.list('')).entries).toEqual([])
    await raw.force('r/a', old)
    await expect(store.read(['a'])).rejects.toMatchObject(rolledBack)
  })

  test('not what is missing from a list with another prefix', async () => {
    const { store } = await ground()
    expect((await store.list('b')).entries).toEqual([])
    expect(await get(store, 'a')).toBe('old')
  })

  test('not what it has never seen replaced: that is the limit', async () => {
    const { raw, store, old } = await ground()
    await put(store, 'a', 'new')
    await raw.force('r/a', old)
    expect(await get(await encrypted(raw.store, key, options), 'a')).toBe('old')
  })

  test('of very many versions the oldest are forgotten', async () => {
    const { raw, store, old } = await ground()
    await put(store, 'a', 'new')
    const next = (await raw.copy()).get('r/a')!
    for (let i = 2; i <= MAX_SEALED_VERSIONS; i++) await put(store, 'a', '')
    await raw.force('r/a', old)
    await expect(store.read(['a'])).rejects.toMatchObject(rolledBack)
    await put(store, 'a', '')
    await put(store, 'a', '')
    await raw.force('r/a', old)
    expect(await get(store, 'a')).toBe('old')
    await raw.force('r/a', next)
    expect(await get(store, 'a')).toBe('new')
  })

  test('the whole store, if a checkpoint was made after the copy', async () => {
    const { raw, store, copy } = await ground()
    const receipt = await checkpoint(store, { receipt: undefined, ...options })
    await raw.restore(copy)
    const reopened = await encrypted(raw.store, key, options)
    await expect(checkpoint(reopened, { receipt, ...options })).rejects.toMatchObject({ code: 'evicted' })
  })
})
