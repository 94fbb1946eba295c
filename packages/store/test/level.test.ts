import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { conformance } from '../src/conformance.ts'
import { type LevelDatabase, type LevelStore, levelStore } from '../src/level.ts'
import { Options } from './sealed-store.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'xmpp-e2e-level-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const random = (bytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(bytes))
const one = Uint8Array.of(1)

let count = 0
const fresh = (): string => join(directory, `${++count}`)
const locations = new Map<LevelStore, string>()
async function open(location = fresh(), Level = ClassicLevel): Promise<LevelStore> {
  const store = await levelStore(Level, location, { random })
  locations.set(store, location)
  return store
}

describe('the port', () => {
  const checks = conformance({
    open: () => open(),
    close: (store) => store.close(),
    async reopen(store) {
      await store.close()
      return open(locations.get(store))
    },
  })
  test.each(checks.map((check) => [check.name, check] as const))('%s', (_, check) => check.run())
})

/** What a test does to the batches on their way to LevelDB. */
let onBatch: (sync: boolean) => void = () => {}
class Watched extends ClassicLevel {
  override batch(...given: Parameters<LevelDatabase['batch']>): Promise<void>
  override batch(): never
  override async batch(...given: unknown[]): Promise<void> {
    const [operations, options] = given as Parameters<LevelDatabase['batch']>
    onBatch(options.sync)
    return super.batch(operations, options)
  }
}

describe('commits', () => {
  test('are each one batch, synced, the first of a directory too', async () => {
    const synced: boolean[] = []
    onBatch = (sync) => synced.push(sync)
    const store = await open(fresh(), Watched as typeof ClassicLevel)
    await store.commit([], { put: [['a', one]], delete: ['b', 'c'] })
    await store.commit([], {})
    await store.commit(['of nobody'], { put: [['a', one]] })
    await store.close()
    expect(synced).toEqual([true, true])
  })

  test('close the store when one fails, until it is opened again', async () => {
    const location = fresh()
    onBatch = () => {}
    const store = await open(location, Watched as typeof ClassicLevel)
    await store.commit([], { put: [['a', one]] })
    const [before] = await store.read(['a'])
    onBatch = () => {
      throw new Error('no space left on device')
    }
    const failing = store.commit([], { put: [['a', Uint8Array.of(2)]] })
    const queued = store.commit([], { put: [['b', one]] })
    await expect(failing).rejects.toThrow('no space left')
    onBatch = () => {}
    const closed = { code: 'store-closed', cause: new Error('no space left on device') }
    await expect(queued).rejects.toMatchObject(closed)
    await expect(store.commit([], { put: [['b', one]] })).rejects.toMatchObject(closed)
    await expect(store.read(['a'])).rejects.toMatchObject(closed)
    await expect(store.list('')).rejects.toMatchObject(closed)
    await store.close()
    const again = await open(location)
    expect((await again.list('')).entries).toEqual([['a', one]])
    expect(await again.commit([before!.token], { put: [['b', one]] })).toBe(true)
    await again.close()
  })
})

describe('a directory', () => {
  test('is had by one store at a time', async () => {
    const location = fresh()
    const store = await open(location)
    await expect(open(location)).rejects.toMatchObject({ name: 'StoreError', code: 'store-in-use' })
    await store.commit([], { put: [['a', one]] })
    await store.close()
    const next = await open(location)
    expect((await next.list('')).entries).toEqual([['a', one]])
    await next.close()
  })

  test('stays out of reach of other processes when it was refused in this one', async () => {
    const location = fresh()
    const store = await open(location)
    await expect(open(location)).rejects.toMatchObject({ code: 'store-in-use' })
    const script = `import { ClassicLevel } from 'classic-level'
      new ClassicLevel(${JSON.stringify(location)}).open().then(() => console.log('open'), (e) => console.log(e.cause.code))`
    const child = ['--input-type=module', '-e', script]
    expect(execFileSync(process.execPath, child, { encoding: 'utf8', cwd: import.meta.dirname }).trim()).toBe(
      'LEVEL_LOCKED',
    )
    expect(await store.commit([], { put: [['a', one]] })).toBe(true)
    await store.close()
  })

  test('is had by one store at a time when two open it at once', async () => {
    const location = fresh()
    const opened = await Promise.allSettled([open(location), open(location)])
    expect(opened).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'store-in-use' } },
    ])
    for (const each of opened) if (each.status === 'fulfilled') await each.value.close()
  })

  test('which is opened under another spelling is closed, because nobody is kept out any more', async () => {
    const location = fresh()
    const store = await open(location)
    await store.commit([], { put: [['a', one]] })
    await expect(open(`${location}/.`)).rejects.toMatchObject({ code: 'store-in-use' })
    await expect(store.read(['a'])).rejects.toMatchObject({ code: 'store-closed' })
    await expect(store.commit([], { put: [['a', one]] })).rejects.toMatchObject({ code: 'store-closed' })
    await store.close()
    const again = await open(location)
    // Closing twice frees nothing that somebody else has now.
    await store.close()
    await expect(open(location)).rejects.toMatchObject({ code: 'store-in-use' })
    expect((await again.list('')).entries).toEqual([['a', one]])
    await again.close()
  })

  test('keeps tokens current that nothing was written after', async () => {
    const location = fresh()
    const store = await open(location)
    await store.commit([], { put: [['a', one]], delete: ['b'] })
    const readings = await store.read(['a', 'b', 'c'])
    const tokens = [...readings, await store.list(''), await store.list('b')].map(({ token }) => token)
    await store.close()
    const again = await open(location)
    for (const token of tokens) expect(await again.commit([token], {})).toBe(true)
    expect(await again.commit(tokens, { put: [['c', one]] })).toBe(true)
    await again.close()
  })

  test.each([Uint8Array.of(0x61), Uint8Array.of(0), Uint8Array.of(0xff)])(
    'of another kind is left alone: its key is %s',
    async (key) => {
      const location = fresh()
      const foreign = new ClassicLevel<Uint8Array, string>(location, { keyEncoding: 'view' })
      await foreign.put(key, 'b')
      await foreign.close()
      await expect(open(location)).rejects.toMatchObject({ code: 'record-malformed' })
      const still = new ClassicLevel<Uint8Array, string>(location, { keyEncoding: 'view' })
      const entries = await still.iterator().all()
      expect(entries.map(([key, value]) => [new Uint8Array(key), value])).toEqual([[key, 'b']])
      await still.close()
    },
  )

  test('of another kind is not read as a whole to see that', async () => {
    const location = fresh()
    const foreign = new ClassicLevel(location)
    for (let i = 0; i < 100; i++) await foreign.put(`${i}`, 'b')
    await foreign.close()
    const lengths: number[] = []
    class Counting implements LevelDatabase {
      readonly #db: LevelDatabase
      constructor(location: string) {
        this.#db = new ClassicLevel(location)
      }
      open = () => this.#db.open()
      close = () => this.#db.close()
      getMany: LevelDatabase['getMany'] = (keys, options) => this.#db.getMany(keys, options)
      batch: LevelDatabase['batch'] = (operations, options) => this.#db.batch(operations, options)
      iterator: LevelDatabase['iterator'] = (options) => ({
        all: async () => {
          const entries = await this.#db.iterator(options).all()
          lengths.push(entries.length)
          return entries
        },
      })
    }
    await expect(levelStore(Counting, location, { random })).rejects.toMatchObject({
      code: 'record-malformed',
    })
    expect(lengths).toEqual([1])
  })

  test.each([
    '',
    '2 00112233445566778899aabbccddeeff 7',
    '1 0011 7',
    '1 00112233445566778899aabbccddeeff -7',
    '1 00112233445566778899aabbccddeeff 7\n',
  ])('with the head %j is not opened, and not kept locked', async (head) => {
    const location = fresh()
    const broken = new ClassicLevel(location)
    await broken.put('\0store', head)
    await broken.close()
    await expect(open(location)).rejects.toMatchObject({ code: 'record-malformed' })
    await expect(open(location)).rejects.toMatchObject({ code: 'record-malformed' })
  })

  test('with a head longer than any call has arguments is not opened either', async () => {
    const location = fresh()
    const foreign = new ClassicLevel(location)
    await foreign.put('\0store', 'x'.repeat(1_000_000))
    await foreign.close()
    await expect(open(location)).rejects.toMatchObject({ code: 'record-malformed' })
  })

  test('is not made with a name that could not be read again', async () => {
    const location = fresh()
    const short = { random: () => new Uint8Array(8) }
    await expect(levelStore(ClassicLevel, location, short)).rejects.toThrow(TypeError)
    const store = await levelStore(ClassicLevel, location, new Options(undefined))
    await store.close()
    await (await open(location)).close()
  })

  test('that cannot be made is an error of LevelDB', async () => {
    await expect(open('/dev/null/nowhere')).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
  })
})

test('closing lets commits end that have begun, and refuses what comes later', async () => {
  const location = fresh()
  const store = await open(location)
  const begun = [store.commit([], { put: [['a', one]] }), store.commit([], { put: [['b', one]] })]
  const closing = store.close()
  const late = [store.commit([], { put: [['c', one]] }), store.read(['a']), store.list('')]
  await Promise.all(late.map((each) => expect(each).rejects.toMatchObject({ code: 'store-closed' })))
  await closing
  await store.close()
  expect(await Promise.all(begun)).toEqual([true, true])
  const again = await open(location)
  expect((await again.list('')).entries.map(([key]) => key)).toEqual(['a', 'b'])
  await again.close()
})
