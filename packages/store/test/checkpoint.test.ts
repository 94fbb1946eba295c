import { describe, expect, test } from 'vitest'
import { flaky } from '../src/conformance.ts'
import { checkpoint, memoryStore, type Store } from '../src/index.ts'
import { counting, Options, rawStore } from './sealed-store.ts'

const random = counting()
const mark = (store: Store, receipt?: string): Promise<string> => checkpoint(store, { receipt, random })
const evicted = { name: 'StoreError', code: 'evicted' }
const rolledBack = { name: 'StoreError', code: 'rolled-back' }

test('counts, and takes the last receipt, an older one and none', async () => {
  const store = memoryStore()
  const first = await mark(store)
  expect(first).toMatch(/^[0-9a-f]{32}:1$/)
  const second = await mark(store, first)
  expect(second).toBe(first.replace(/1$/, '2'))
  expect(await mark(store, first)).toBe(first.replace(/1$/, '3'))
  expect(await mark(store, second)).toBe(first.replace(/1$/, '4'))
  expect(await mark(store)).toBe(first.replace(/1$/, '5'))
})

test('of two processes at once each counts', async () => {
  const store = memoryStore()
  const receipts = await Promise.all([mark(store), mark(store), mark(store)])
  expect(receipts.map((receipt) => receipt.split(':')[1]).sort()).toEqual(['1', '2', '3'])
  expect(new Set(receipts.map((receipt) => receipt.split(':')[0])).size).toBe(1)
  for (const receipt of receipts) await mark(store, receipt)
})

describe('refused, with nothing written', () => {
  const refused = async (raw: ReturnType<typeof rawStore>, receipt: string, error: object): Promise<void> => {
    const before = await raw.copy()
    await expect(mark(raw.store, receipt)).rejects.toMatchObject(error)
    expect(await raw.copy()).toEqual(before)
  }

  test('an empty store of which there is a receipt', async () => {
    await refused(rawStore(), await mark(memoryStore()), evicted)
  })

  test('another store', async () => {
    const raw = rawStore()
    await mark(raw.store)
    await refused(raw, await mark(memoryStore()), evicted)
  })

  test('a copy from before the last checkpoint, and not one from after it', async () => {
    const raw = rawStore()
    const first = await mark(raw.store)
    const old = await raw.copy()
    const second = await mark(raw.store, first)
    const young = await raw.copy()
    await raw.restore(old)
    await refused(raw, second, rolledBack)
    await raw.restore(young)
    await mark(raw.store, second)
  })

  test('the second of two clones that is opened', async () => {
    const [raw, clone] = [rawStore(), rawStore()]
    const receipt = await mark(raw.store)
    await clone.restore(await raw.copy())
    await refused(clone, await mark(raw.store, receipt), rolledBack)
  })

  test.each([
    ['nothing', new Uint8Array(0)],
    ['another version', Uint8Array.of(2, ...new Uint8Array(24))],
    ['too short', Uint8Array.of(1, ...new Uint8Array(23))],
    ['too long', Uint8Array.of(1, ...new Uint8Array(25))],
    ['a count that is none', Uint8Array.of(1, ...new Uint8Array(16), 0x7f, 0xf8, 0, 0, 0, 0, 0, 0)],
    ['half a count', Uint8Array.of(1, ...new Uint8Array(16), 0x3f, 0xe0, 0, 0, 0, 0, 0, 0)],
  ])('a record that is %s', async (_, record) => {
    const raw = rawStore()
    await raw.force('checkpoint', record)
    await refused(raw, `${'0'.repeat(32)}:1`, { name: 'StoreError', code: 'record-malformed' })
  })

  test.each([
    '',
    'x',
    `${'0'.repeat(32)}`,
    `${'0'.repeat(32)}:`,
    `${'0'.repeat(31)}:1`,
    `${'G'.repeat(32)}:1`,
    `${'0'.repeat(32)}:-1`,
  ])('a receipt that is %j', async (receipt) => {
    await refused(rawStore(), receipt, { name: 'TypeError' })
  })
})

test('a commit that fails without saying how is recovered from, counting more than once at worst', async () => {
  for (const fate of ['lost', 'unsaid', 'late'] as const) {
    const store = memoryStore()
    const receipt = await mark(flaky(store, (commit) => (commit === 0 ? fate : 'fine')))
    expect(['1', '2']).toContain(receipt.split(':')[1])
    await mark(store, receipt)
  }
})

test('random bytes must be as many as asked for', async () => {
  const short = { receipt: undefined, random: () => new Uint8Array(15) }
  await expect(checkpoint(memoryStore(), short)).rejects.toThrow(TypeError)
})

test('the options may be an instance of a class', async () => {
  expect(await checkpoint(memoryStore(), new Options(undefined))).toMatch(/^[0-9a-f]{32}:1$/)
})
