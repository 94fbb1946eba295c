/** What a store looks like from below, to somebody who can change it and has no key. */
import { type Bytes, memoryStore, type Store } from '../src/index.ts'

/** Different at each call, and the same in each run. */
export function counting(): (length: number) => Uint8Array {
  let calls = 0
  return (length) => {
    calls++
    return Uint8Array.from({ length }, (_, i) => (calls >>> (8 * (i % 4))) & 0xff)
  }
}

/** Options whose method needs to be called as one. */
export class Options {
  readonly receipt: string | undefined
  readonly #draw = counting()
  constructor(receipt: string | undefined) {
    this.receipt = receipt
  }
  random(length: number): Uint8Array {
    return this.#draw(length)
  }
}

export interface Raw {
  readonly store: Store
  /** Everything that is stored. */
  copy(): Promise<ReadonlyMap<string, Bytes>>
  /** Puts one record, or takes it away. */
  force(key: string, value: Uint8Array | undefined): Promise<void>
  /** Makes the store what it was when it was copied. */
  restore(copy: ReadonlyMap<string, Bytes>): Promise<void>
}

export function rawStore(): Raw {
  const store = memoryStore()
  const copy = async () => new Map((await store.list('')).entries)
  return {
    store,
    copy,
    async force(key, value) {
      await store.commit([], value ? { put: [[key, value]] } : { delete: [key] })
    },
    async restore(old) {
      const gone = [...(await copy()).keys()].filter((key) => !old.has(key))
      await store.commit([], { put: [...old], delete: gone })
    },
  }
}
