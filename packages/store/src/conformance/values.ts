import { type Checks, holds, must, put, rejects, remove, value, write } from './ground.ts'

/** Checks of values. */
export const valueChecks: Checks = {
  async 'values: are kept byte for byte'({ store, other }) {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i)
    await put(store, ['all', all], ['text', Uint8Array.of(0xff, 0, 0xc3, 0x28, 0xef, 0xbb, 0xbf)])
    await holds(other, { all, text: Uint8Array.of(0xff, 0, 0xc3, 0x28, 0xef, 0xbb, 0xbf) }, 'after a put')
    await put(other, ['all', value(1)])
    await holds(store, { all: value(1) }, 'after another put')
    await remove(other, 'all')
    await holds(store, { all: undefined }, 'after a delete')
    // A view into a larger buffer is what decoders hand out.
    await put(store, ['view', all.subarray(7, 9)])
    await holds(store, { view: Uint8Array.of(7, 8) }, 'after a put of a view')
  },

  async 'values: an empty one is not an absent one'({ store }) {
    await put(store, ['empty', new Uint8Array(0)])
    await holds(store, { empty: new Uint8Array(0), absent: undefined }, 'after a put of nothing')
    const { entries } = await store.list('e')
    must(entries.length === 1 && entries[0]![1].length === 0, 'list: an empty value is missing')
  },

  async 'values: the largest is taken, a larger one is refused'({ store, other, valueBytes }) {
    const largest = new Uint8Array(valueBytes)
    for (let i = 0; i < valueBytes; i++) largest[i] = (i * 31) ^ (i >> 8)
    await put(store, ['a', largest], ['b', largest], ['c', largest])
    await holds(other, { a: largest, c: largest }, 'after a put of three large values')
    const { entries } = await other.list('b')
    must(entries[0]?.[1].length === valueBytes, 'list: a large value was cut')
    const larger = new Uint8Array(valueBytes + 1)
    await rejects(put(store, ['d', value(1)], ['a', larger]), 'RangeError', 'put of a larger value')
    await holds(store, { a: largest, d: undefined }, 'after a value was refused')
  },

  async 'values: arrays given are copied'({ store }) {
    const given = Uint8Array.of(1, 2, 3)
    await put(store, ['a', given])
    given.fill(0)
    await holds(store, { a: Uint8Array.of(1, 2, 3) }, 'after the caller has overwritten what it gave')
  },

  async 'values: arrays returned are copies'({ store }) {
    const kept = Uint8Array.of(1, 2, 3)
    await put(store, ['a', kept])
    const [read, twice] = await store.read(['a', 'a'])
    const listed = (await store.list('a')).entries[0]?.[1]
    for (const array of [read?.value, listed]) {
      must(array !== undefined, 'what was put is not there')
      array!.slice().fill(9)
      must(array![0] === 1, 'slice() of what was returned shares its memory, as that of a Buffer')
      array!.fill(0)
      await holds(store, { a: kept }, 'after the caller has overwritten what it got')
    }
    must(twice?.value?.[0] === 1, 'two answers of one read share their memory')
  },

  async 'values: what is no array of bytes is refused'({ store }) {
    for (const wrong of ['text', [1, 2], null, new Uint16Array(1), new ArrayBuffer(1)]) {
      const given = { put: [['a', wrong]] }
      // JSON has no types, and neither has a caller in JavaScript.
      await rejects(write(store, given as never), 'TypeError', `put of ${String(wrong)}`)
    }
    await holds(store, { a: undefined }, 'after values were refused')
  },
}
