import { randomInt } from 'node:crypto'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { omemo2 } from '@xmpp-e2e/omemo/primitives'
import { memoryStore } from '@xmpp-e2e/store'
import { conformance } from '@xmpp-e2e/store/conformance'
import { LOG_CHANGES } from '@xmpp-e2e/store/indexeddb'
import type { CDPSession, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { StorePage } from '../browser/store/page.ts'
import { type Chromium, databaseLog, profile, startChromium } from '../src/chromium.ts'
import { freshEnds } from '../src/ratchet.ts'
import { type Peer, WINDOW, Witness } from '../src/ratchet-witness.ts'
import { type Site, serveSite } from '../src/site.ts'

/** In milliseconds, for what starts Chromium again and again: half of it where many others are at work. */
const PATIENCE = 900_000

declare const storePage: StorePage

let site: Site
let chromium: Chromium
const { directory, remove } = profile()
const pages: Page[] = []

beforeAll(async () => {
  site = await serveSite(new URL('../browser/store/page.ts', import.meta.url))
  chromium = await startChromium(directory)
})

afterEach(async () => {
  for (const page of pages.splice(0)) {
    expect(await page.evaluate(() => storePage.unhandled())).toEqual([])
    await page.close()
  }
})

afterAll(async () => {
  await chromium?.kill()
  await site?.close()
  remove()
})

async function load(url = site.url): Promise<Page> {
  const page = await chromium.context.newPage()
  await page.goto(url)
  await page.waitForFunction(() => typeof storePage === 'object')
  return page
}

/** A page of the site; what it does not handle fails the test. */
async function visit(url = site.url): Promise<Page> {
  const page = await load(url)
  pages.push(page)
  return page
}

/** The debugging protocol, for what users and disks do to a browser. */
const protocol = (page: Page): Promise<CDPSession> => chromium.context.newCDPSession(page)
const originOf = (page: Page): string => new URL(page.url()).origin

test.each(['worker', 'page'] as const)(
  'the conformance kit, with changes made by a second %s',
  async (behind) => {
    const [page, second] = [await visit(), await visit()]
    await second.evaluate(() => storePage.serve())
    const { ran, failed } = await page.evaluate((behind) => storePage.kit(behind), behind)
    expect(failed).toEqual([])
    expect(ran).toBe(conformance({ open: memoryStore, reopen: (same) => same }).length)
  },
)

test('two pages that count at once take every number once', async () => {
  const both = [await visit(), await visit()]
  for (const page of both) await page.evaluate(() => storePage.open('counter'))
  const taken = await Promise.all(both.map((page) => page.evaluate(() => storePage.count(100, 2))))
  expect(taken.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1))
  // They were at it at the same time.
  expect(Math.min(...taken[1]!)).toBeLessThan(Math.max(...taken[0]!))
  expect(Math.min(...taken[0]!)).toBeLessThan(Math.max(...taken[1]!))
})

test('a commit of a thousand records is one transaction, strict, and complete when it resolves', async () => {
  const page = await visit()
  await page.evaluate(() => storePage.open('transactions'))
  expect(await page.evaluate(() => storePage.transactions(1000))).toEqual([
    { mode: 'readwrite', durability: 'strict', isComplete: true },
  ])
})

test('of a commit whose second put throws nothing is written', async () => {
  const page = await visit()
  await page.evaluate(() => storePage.open('torn'))
  expect(await page.evaluate(() => storePage.tearing())).toEqual({
    ended: 'DataCloneError',
    entries: [['torn/a', 1]],
    isCurrent: true,
  })
})

test.each([
  ['no stores', []],
  ['stores of the same names', ['values', 'log', 'meta']],
])('a database of something else, with %s, is left alone', async (name, stores) => {
  const page = await visit()
  await page.evaluate(([name, stores]) => storePage.foreign(name, stores), [name, stores] as const)
  expect(await page.evaluate((name) => storePage.opening(name), name)).toBe('record-malformed')
})

test('what was read before LOG_CHANGES changes is known to hold, and not before one more', async () => {
  const page = await visit()
  await page.evaluate(() => storePage.open('long'))
  expect(await page.evaluate((changes) => storePage.remembers(changes), LOG_CHANGES)).toBe(true)
  expect(await page.evaluate((changes) => storePage.remembers(changes), LOG_CHANGES + 1)).toBe(false)
})

test('the page may neither evaluate text nor run WebAssembly', async () => {
  const page = await visit()
  const cdp = await protocol(page)
  for (const expression of ['eval("1")', 'new Function("")', 'new WebAssembly.Module(new Uint8Array(8))']) {
    const { exceptionDetails } = await cdp.send('Runtime.evaluate', {
      expression,
      allowUnsafeEvalBlockedByCSP: false,
    })
    expect(exceptionDetails?.exception?.description).toMatch(/^(EvalError|CompileError)/)
  }
})

describe('a receipt', () => {
  test('of a database that is there is taken again and again', async () => {
    const page = await visit()
    const first = await page.evaluate(() => storePage.open('receipt'))
    const second = await page.evaluate((receipt) => storePage.open('receipt', receipt), first.receipt)
    expect(second.receipt).not.toBe(first.receipt)
    for (const { receipt } of [first, second])
      expect(await page.evaluate((receipt) => storePage.opening('receipt', receipt), receipt)).toBe(
        'fulfilled',
      )
  })

  test('of a database that is gone is evicted, and none is made', async () => {
    const page = await visit()
    const { receipt } = await page.evaluate(() => storePage.open('gone'))
    expect(await page.evaluate(() => storePage.delete('gone'))).toBe('done')
    expect(await page.evaluate((receipt) => storePage.opening('gone', receipt), receipt)).toBe('evicted')
    expect(await page.evaluate(() => storePage.databases())).not.toContain('gone')
    await page.evaluate(() => storePage.open('gone'))
    // There is another one now.
    expect(await page.evaluate((receipt) => storePage.opening('gone', receipt), receipt)).toBe('evicted')
  })

  test('of a later opening than the database knows of is rolled back', async () => {
    const page = await visit()
    const { receipt } = await page.evaluate(() => storePage.open('older'))
    const later = receipt.replace(/[0-9]+$/, (count) => `${Number(count) + 2}`)
    expect(await page.evaluate((later) => storePage.opening('older', later), later)).toBe('rolled-back')
    // Nothing was counted: the next one is the second.
    expect((await page.evaluate(() => storePage.open('older'))).receipt).toMatch(/:2$/)
  })

  test('which is none is refused, and nothing is made', async () => {
    const page = await visit()
    expect(await page.evaluate(() => storePage.opening('never', ''))).toBe('TypeError')
    expect(await page.evaluate(() => storePage.databases())).not.toContain('never')
  })
})

describe('an open store', () => {
  test('whose data the user clears is closed, and evicted when it is opened again', async () => {
    const page = await visit()
    const { receipt } = await page.evaluate(() => storePage.open('cleared'))
    expect(await page.evaluate(() => storePage.writing(1))).toBe('fulfilled')
    const cdp = await protocol(page)
    await cdp.send('Storage.clearDataForOrigin', { origin: originOf(page), storageTypes: 'indexeddb' })
    for (const call of ['reading', 'listing'] as const)
      expect(await page.evaluate((call) => storePage[call](), call)).toBe('store-closed')
    expect(await page.evaluate(() => storePage.writing(1))).toBe('store-closed')
    expect(await page.evaluate((receipt) => storePage.opening('cleared', receipt), receipt)).toBe('evicted')
  })

  test('which is emptied behind its back is evicted, not taken for a new one', async () => {
    const page = await visit()
    const { receipt } = await page.evaluate(() => storePage.open('emptied'))
    await page.evaluate(() => storePage.empty('emptied'))
    expect(await page.evaluate(() => storePage.reading())).toBe('evicted')
    expect(await page.evaluate(() => storePage.listing())).toBe('evicted')
    expect(await page.evaluate(() => storePage.writing(1))).toBe('evicted')
    expect(await page.evaluate((receipt) => storePage.opening('emptied', receipt), receipt)).toBe('evicted')
  })

  test('does not hold up who deletes the database, and does not bring it back', async () => {
    const [page, second] = [await visit(), await visit()]
    await page.evaluate(() => storePage.open('deleted'))
    expect(await second.evaluate(() => storePage.delete('deleted'))).toBe('done')
    expect(await page.evaluate(() => storePage.writing(1))).toBe('store-closed')
    expect(await page.evaluate(() => storePage.reading())).toBe('store-closed')
    expect(await page.evaluate(() => storePage.databases())).not.toContain('deleted')
  })

  test('does not hold up a later version of the package, and says so where the earlier one comes back', async () => {
    const [page, second] = [await visit(), await visit()]
    await page.evaluate(() => storePage.open('upgraded'))
    expect(await second.evaluate(() => storePage.upgrade('upgraded'))).toBe('done')
    expect(await page.evaluate(() => storePage.writing(1))).toBe('store-closed')
    expect(await page.evaluate(() => storePage.opening('upgraded'))).toBe('store-newer')
  })

  test('which is closed says so', async () => {
    const page = await visit()
    await page.evaluate(() => storePage.open('closed'))
    await page.evaluate(() => storePage.close())
    expect(await page.evaluate(() => storePage.reading())).toBe('store-closed')
    expect(await page.evaluate(() => storePage.writing(1))).toBe('store-closed')
    expect(await page.evaluate(() => storePage.committing(['of nobody']))).toBe('store-closed')
  })

  test('for which there is no room writes nothing, says so, and goes on when there is', async () => {
    // Of an origin that has used something lately Chromium remembers how much room there was.
    const page = await visit(site.url.replace('127.0.0.1', 'localhost'))
    const cdp = await protocol(page)
    // Room for opening, and not for the 4 MiB that come.
    const quotaSize = (await page.evaluate(() => storePage.usage())) + 2_000_000
    await cdp.send('Storage.overrideQuotaForOrigin', { origin: originOf(page), quotaSize })
    await page.evaluate(() => storePage.open('full'))
    expect(await page.evaluate(() => storePage.writing(64))).toBe('quota-exceeded')
    expect(await page.evaluate(() => storePage.keys())).toEqual([])
    await cdp.send('Storage.overrideQuotaForOrigin', { origin: originOf(page) })
    expect(await page.evaluate(() => storePage.writing(64))).toBe('fulfilled')
  })
})

test.each([
  ['granted', true],
  ['denied', false],
] as const)('asks for persistence, which is %s, and says so', async (setting, isPersisted) => {
  // Of an origin that was granted it once, Chromium does not ask again.
  const page = await visit(site.url.replace('127.0.0.1', `${setting}.localhost`))
  const cdp = await protocol(page)
  const permission = { name: 'persistent-storage' }
  await cdp.send('Browser.setPermission', { permission, setting, origin: originOf(page) })
  expect(await page.evaluate(() => storePage.open('asked'))).toMatchObject({ isPersisted })
})

describe('what a crash has left', () => {
  const log = () => databaseLog(directory, site.url)
  /** Opens it, and waits until Chromium has begun a new log. */
  const renewed = async (page: Page, name: string, receipt?: string): Promise<string> => {
    const last = log()
    const opened = await page.evaluate(([name, receipt]) => storePage.open(name, receipt), [
      name,
      receipt,
    ] as const)
    await expect.poll(log, { timeout: 60_000 }).not.toBe(last)
    return opened.receipt
  }
  const restart = async (change: (log: string) => void): Promise<Page> => {
    await chromium.kill()
    change(log()!)
    chromium = await startChromium(directory)
    return load()
  }

  test('a log with a torn end is not gone on with, and so what comes after it outlasts another crash', async () => {
    const first = await load()
    const receipt = await renewed(first, 'torn')
    // A write that was cut short: the header of a record of 256 bytes that never came.
    const second = await restart((log) => appendFileSync(log, Uint8Array.of(1, 2, 3, 4, 0, 1, 1)))
    const later = await renewed(second, 'torn', receipt)
    expect(await second.evaluate(() => storePage.writing(1))).toBe('fulfilled')
    const third = await restart(() => undefined)
    await third.evaluate((receipt) => storePage.open('torn', receipt), later)
    expect(await third.evaluate(() => storePage.keys())).toEqual(['fill/0'])
  })

  test('a damaged log takes everything with it, which is said, and nothing is made anew', async () => {
    const first = await load()
    const receipt = await renewed(first, 'damaged')
    expect(await first.evaluate(() => storePage.writing(1))).toBe('fulfilled')
    const second = await restart((log) => {
      const bytes = readFileSync(log)
      bytes[10]! ^= 1
      writeFileSync(log, bytes)
    })
    const opening = second.evaluate((receipt) => storePage.open('damaged', receipt), receipt)
    await expect(opening).rejects.toThrow(/StoreError: IndexedDB .*corrupt/)
    expect(await second.evaluate((receipt) => storePage.opening('damaged', receipt), receipt)).toBe('evicted')
    expect(await second.evaluate(() => storePage.databases())).toEqual([])
  })
})

/** Each takes a start of Chromium. */
const KILLS = 50

test(
  `${KILLS} times kill -9 while a ratchet session goes on: nothing torn, nothing lost, no key twice`,
  async () => {
    const key = Array.from({ length: 32 }, (_, i) => i)
    const opening = (page: Page, receipt: string | undefined) =>
      page.evaluate(([key, receipt]) => storePage.openSealed('killed', key, receipt), [key, receipt] as const)
    let [acknowledged, unsaid, lost] = [0, 0, 0]
    let witness: Witness | undefined
    let receipt: string | undefined
    let isLogNew = true
    for (let round = 0; round <= KILLS; round++) {
      const page = await load()
      const log = databaseLog(directory, site.url)
      try {
        receipt = await opening(page, receipt)
      } catch (error) {
        // Chromium may lose everything after two crashes, if the second comes before it has begun a new log. It must be said.
        if (
          isLogNew ||
          !/StoreError: (IndexedDB .*corrupt|the store is \d+ checkpoints behind)/.test(`${error}`)
        )
          throw error
        lost++
        acknowledged += acknowledgedBy(witness)
        witness = undefined
        await page.evaluate(() => storePage.delete('killed'))
        receipt = await opening(page, undefined)
      }
      if (!witness) {
        const [ours, theirs] = freshEnds(omemo2.namespace)
        witness = new Witness(ours)
        await page.evaluate((end) => storePage.place(end), theirs)
      }
      unsaid += witness.compare(await page.evaluate(() => storePage.journal()), WINDOW)

      const last = randomInt(20)
      let killing: Promise<void> | undefined
      const conversing = witness.converse(peerOf(page), (acks) => {
        if (round === KILLS) return acks >= last
        // Anywhere between two acknowledgements.
        if (acks >= last) killing ??= setTimeout(randomInt(5)).then(() => chromium.kill())
        return false
      })
      await conversing.catch((error: unknown) => {
        if (killing === undefined || !/closed|crash|Target/.test(String(error))) throw error
      })
      await killing
      if (!killing) witness.compare(await page.evaluate(() => storePage.journal()), 0)
      else {
        isLogNew = databaseLog(directory, site.url) !== log
        chromium = await startChromium(directory)
      }
    }
    console.log(
      `${KILLS} kills, ${acknowledged + acknowledgedBy(witness)} acknowledged, ` +
        `${unsaid} written and not acknowledged, ${lost} times lost by Chromium`,
    )
    expect(lost).toBeLessThan(3)
  },
  PATIENCE,
)

const acknowledgedBy = (witness: Witness | undefined): number =>
  witness ? witness.sent.size + witness.received.size : 0

const peerOf = (page: Page): Peer => ({
  send: (body) => page.evaluate((body) => storePage.send(body), body),
  receive: (id, letter) =>
    page.evaluate(([id, letter]) => storePage.receive(id, letter), [id, letter] as const),
})
