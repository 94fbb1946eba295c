import { describe, expect, test } from 'vitest'
import {
  checkBatch,
  checkKey,
  checkPrefix,
  MAX_KEY_BYTES,
  MAX_VALUE_BYTES,
  memoryStore,
  scoped,
} from '../src/index.ts'

const one = Uint8Array.of(1)

describe('keys', () => {
  test.each([
    ['ASCII', 'x'.repeat(MAX_KEY_BYTES), 'x'],
    ['two bytes each', 'é'.repeat(MAX_KEY_BYTES / 2), 'x'],
    ['three bytes each', `x${'€'.repeat((MAX_KEY_BYTES - 1) / 3)}`, 'x'],
    ['four bytes each', '👩'.repeat(MAX_KEY_BYTES / 4), 'x'],
  ])('of %s may be MAX_KEY_BYTES long, and not one byte more', (_, longest, more) => {
    expect(new TextEncoder().encode(longest).length).toBe(MAX_KEY_BYTES)
    checkKey(longest)
    checkPrefix(longest)
    expect(() => checkKey(longest + more)).toThrow(RangeError)
    expect(() => checkPrefix(longest + more)).toThrow(RangeError)
  })

  test.each(['\0', '\n', '\x1f', '\x7f', '\ud800', '\udfff', 'a\ud800b'])('may not have %j', (key) => {
    expect(() => checkKey(key)).toThrow(TypeError)
    expect(() => checkPrefix(key)).toThrow(TypeError)
  })

  test.each([' ', '~', '\x80', '\ud7ff', '\ue000', '\uffff', '\u{10ffff}'])('may have %j', (key) => {
    checkKey(key)
    checkPrefix(key)
  })

  test('may not be empty, prefixes may', () => {
    expect(() => checkKey('')).toThrow(RangeError)
    checkPrefix('')
  })

  test.each([undefined, null, 1, ['a']])('may not be %j', (key) => {
    expect(() => checkKey(key as never)).toThrow(TypeError)
  })
})

describe('batches', () => {
  test('values may be MAX_VALUE_BYTES long, and not one byte more', () => {
    checkBatch({ put: [['a', new Uint8Array(MAX_VALUE_BYTES)]] })
    expect(() => checkBatch({ put: [['a', new Uint8Array(MAX_VALUE_BYTES + 1)]] })).toThrow(RangeError)
  })

  test.each([
    ['put twice', { put: [['a', one] as const, ['a', one] as const] }],
    ['deleted twice', { delete: ['a', 'a'] }],
    ['put and deleted', { put: [['a', one] as const], delete: ['a'] }],
  ])('no key may be %s', (_, batch) => {
    expect(() => checkBatch(batch)).toThrow(TypeError)
  })

  test('arrays of another realm and subclasses are bytes', async () => {
    const { runInNewContext } = await import('node:vm')
    checkBatch({ put: [['a', runInNewContext('Uint8Array.of(1)')]] })
    checkBatch({ put: [['a', Buffer.of(1)]] })
  })

  test('an error tells neither keys nor values', () => {
    const secret = 'hunter2'
    for (const batch of [{ delete: [secret, secret] }, { put: [[secret, secret] as never] }])
      expect(() => checkBatch(batch)).toThrow(expect.not.stringContaining(secret))
  })
})

describe('memoryStore', () => {
  test('forgets which keys changed long ago, and refuses what it cannot know', async () => {
    const store = memoryStore()
    const [before] = await store.read(['never written'])
    const write = async (from: number, to: number): Promise<void> => {
      const puts = Array.from({ length: to - from }, (_, i) => [`${from + i}`, one] as const)
      await store.commit([], { put: puts })
    }
    await write(0, 4096)
    expect(await store.commit([before!.token], {})).toBe(true)
    await write(4096, 4097)
    expect(await store.commit([before!.token], {})).toBe(false)
    const [after] = await store.read(['never written'])
    expect(await store.commit([after!.token], {})).toBe(true)
  })
})

describe('scoped', () => {
  // Each pair would meet if names were put before keys as they are.
  test.each([
    [['a'], ['ab']],
    [['a'], ['a/b']],
    [['a', 'b'], ['a/b']],
    [['a/'], ['a']],
    [['a&sb'], ['a/b']],
    [['&'], ['&a']],
    [['a&'], ['a']],
    [['&s'], ['/']],
    [['a%2Fb'], ['a/b']],
  ])('%j and %j do not meet', async (first, second) => {
    const store = memoryStore()
    const [a, b] = [first, second].map((names) => names.reduce(scoped, store))
    for (const key of ['b', 'b/c', '/b', '&sb/c', 'b/b']) await a!.commit([], { put: [[key, one]] })
    const inner = (await a!.list('')).entries.map(([key]) => key).sort()
    expect(inner).toEqual(['&sb/c', '/b', 'b', 'b/b', 'b/c'])
    expect((await b!.list('')).entries).toEqual([])
  })

  test('an outer scope sees its inner ones', async () => {
    const outer = scoped(memoryStore(), 'a')
    await scoped(outer, 'b/c').commit([], { put: [['d', one]] })
    expect((await outer.list('')).entries).toEqual([['b&sc/d', one]])
  })

  test('takes the longest bare JID as it is, whatever its characters', async () => {
    // RFC 7622 §3.1 and §3.3.1: 1023 bytes on either side of the @; %, unlike & and /, may be in the first.
    const jid = `${'%'.repeat(1023)}@${'d'.repeat(1023)}`
    const store = memoryStore()
    const key = 'k'.repeat(MAX_KEY_BYTES - 2047 - 1)
    await scoped(store, jid).commit([], { put: [[key, one]] })
    expect((await store.list('')).entries.map(([name]) => name)).toEqual([`${jid}/${key}`])
    await expect(scoped(store, jid).commit([], { put: [[`${key}k`, one]] })).rejects.toThrow(RangeError)
  })

  test.each([
    ['', RangeError],
    ['\0', TypeError],
  ])('%j is no name', (name, error) => {
    expect(() => scoped(memoryStore(), name)).toThrow(error)
  })

  test('tokens of several scopes go into one commit', async () => {
    const store = memoryStore()
    const [a, b] = [scoped(store, 'a'), scoped(store, 'b')]
    const [x] = await a.read(['x'])
    const [y] = await b.read(['y'])
    expect(await a.commit([x!.token, y!.token], { put: [['x', one]] })).toBe(true)
    await b.commit([], { put: [['y', one]] })
    const [again] = await a.read(['x'])
    expect(await a.commit([again!.token, y!.token], { put: [['x', one]] })).toBe(false)
    expect((await store.list('')).entries.map(([key]) => key)).toEqual(['a/x', 'b/y'])
  })

  test('an empty key within a scope is no key', async () => {
    const store = scoped(memoryStore(), 'a')
    await expect(store.read([''])).rejects.toThrow(RangeError)
    await expect(store.commit([], { delete: [''] })).rejects.toThrow(RangeError)
  })
})
