import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { encrypted } from '../src/encrypted.ts'
import { checkpoint, memoryStore } from '../src/index.ts'

interface Vectors {
  readonly key: string
  readonly id: string
  readonly receipt: string
  readonly records: readonly { at: string; name?: string; nonce: string; value: string; bytes: string }[]
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('vectors/sealed-at-rest.json', import.meta.url), 'utf8'),
)
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const named = vectors.records.flatMap(({ name, ...record }) =>
  name === undefined ? [] : [{ name, ...record }],
)

test('values that another implementation has sealed are read, and its checkpoint is taken', async () => {
  const below = memoryStore()
  await below.commit([], { put: vectors.records.map(({ at, bytes: sealed }) => [at, bytes(sealed)]) })
  const store = await encrypted(below, bytes(vectors.key), { random: (length) => new Uint8Array(length) })
  const readings = await store.read(named.map(({ name }) => name))
  expect(readings.map(({ value }) => value)).toEqual(named.map(({ value }) => bytes(value)))
  const { receipt } = vectors
  const next = receipt.replace(/7$/, '8')
  expect(await checkpoint(store, { receipt, random: () => new Uint8Array(0) })).toBe(next)
})

test('the same is written, given the same random bytes', async () => {
  const draws = [vectors.id, ...vectors.records.map(({ nonce }) => nonce)].map(bytes)
  const below = memoryStore()
  const store = await encrypted(below, bytes(vectors.key), { random: () => draws.shift()! })
  await store.commit([], { put: named.map(({ name, value }) => [name, bytes(value)]) })
  const written = new Map((await below.list('')).entries)
  expect(written).toEqual(new Map(vectors.records.map(({ at, bytes: sealed }) => [at, bytes(sealed)])))
})
