/** The façade in a browser, under a policy that allows neither `eval` nor WebAssembly. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { OxPage } from '../ox/page/page.ts'
import { type Chromium, profile, startChromium } from '../src/chromium.ts'
import { type Site, serveSite } from '../src/site.ts'

declare const oxPage: OxPage

let site: Site
let chromium: Chromium
const { directory, remove } = profile()

beforeAll(async () => {
  site = await serveSite(new URL('../ox/page/page.ts', import.meta.url))
  chromium = await startChromium(directory)
})
afterAll(async () => {
  await chromium?.kill()
  await site?.close()
  remove()
})

test('generates keys, announces and finds them, encrypts and decrypts', async () => {
  const page = await chromium.context.newPage()
  const said: string[] = []
  page.on('console', (message) => said.push(message.text()))
  page.on('pageerror', (error) => said.push(`${error}`))
  await page.goto(site.url)
  await page.waitForFunction(() => typeof oxPage === 'object')
  const { body, authenticated, ciphertext, fingerprints } = await page.evaluate(() =>
    oxPage.converse('ü ☃ 😀'),
  )
  expect({ body, authenticated }).toEqual({ body: 'ü ☃ 😀', authenticated: true })
  expect(fingerprints[0]).toMatch(/^[0-9a-f]{40}$/)
  expect(fingerprints[1]).toBe(fingerprints[0])
  expect(ciphertext.length).toBeGreaterThan(500)
  // Browsers ask for an icon, which the policy refuses.
  expect(said.filter((line) => !line.includes('favicon'))).toEqual([])
  await page.close()
})
