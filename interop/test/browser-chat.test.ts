/** The packages in a browser, over WebSocket to Prosody: with strophe.js alone, and as a plugin inside Converse. */

import { fetchItems } from '@xmpp-e2e/disco/pep'
import type { Connection } from '@xmpp-e2e/xml'
import { bareJid, element, text } from '@xmpp-e2e/xml'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type {} from '../browser/chat/page.ts'
import { announce } from '../src/announce.ts'
import { arrival } from '../src/arrival.ts'
import { serveChat } from '../src/chat-site.ts'
import { type Chromium, profile, startChromium } from '../src/chromium.ts'
import { type Client, connect } from '../src/client.ts'
import { startProsody } from '../src/prosody.ts'
import type { Server } from '../src/server.ts'
import type { Site } from '../src/site.ts'

const NODE = 'urn:example:browser'

const { directory, remove } = profile()
let chromium: Chromium
beforeAll(async () => {
  chromium = await startChromium(directory)
})
afterAll(async () => {
  await chromium.kill()
  remove()
})

describe.each([
  { host: 'strophe', after: ['new', 'lost'] },
  // It has stream management, and connects again by itself.
  { host: 'converse', after: ['new', 'resumed'] },
] as const)('$host in Chromium', ({ host, after }) => {
  let server: Server
  let site: Site
  let page: Page
  const said: string[] = []
  const clients: Client[] = []

  const session = async (user: string): Promise<Connection> => {
    const client = await connect(server, server.account(user))
    clients.push(client)
    await announce(client.connection, [])
    return client.connection
  }

  beforeAll(async () => {
    server = await startProsody()
    site = await serveChat(host, server.websocket)
    page = await chromium.context.newPage()
    page.on('console', (message) => said.push(message.text()))
    page.on('pageerror', (error) => said.push(`${error}`))
    const { jid, password } = server.account('alice')
    await page.goto(
      `${site.url}#${encodeURIComponent(JSON.stringify({ url: server.websocket, jid, password }))}`,
    )
    await page.waitForFunction(() => globalThis.chatPage?.jid() !== undefined)
  })
  afterAll(async () => {
    await page?.close()
    await Promise.all(clients.map((client) => client.close()))
    await site?.close()
    await server?.stop()
  })

  test('a PEP round trip: published, fetched, heard, and read by a stranger', async () => {
    const done = await page.evaluate(() => globalThis.chatPage.roundTrip('from the page'))
    expect(done).toEqual({ steps: ['features', 'publish'], fetched: 'from the page', heard: 'from the page' })
    const carol = await session('carol')
    const [item] = await fetchItems(carol, NODE, { owner: bareJid.decode('alice@localhost') })
    expect(item?.payload && text(item.payload)).toBe('from the page')
  })

  test('carbons of what is received and of what another client sends', async () => {
    const [alice, bob] = [await session('alice'), await session('bob')]
    await say(bob, alice, 'to her other client')
    await say(alice, bob, 'from her other client')
    expect(await page.evaluate(() => globalThis.chatPage.carbons(2))).toEqual([
      { body: 'to her other client', own: false },
      { body: 'from her other client', own: true },
    ])
  })

  test('the archive, newest page first', async () => {
    const [alice, bob] = [await session('alice'), await session('bob')]
    const bodies = ['one', 'two', 'three', 'four', 'five']
    for (const body of bodies) await say(bob, alice, body)
    const newest = await page.evaluate(() => globalThis.chatPage.archive(2))
    expect(newest).toMatchObject({ bodies: ['four', 'five'], isLast: false })
    const before = await page.evaluate((id) => globalThis.chatPage.archive(2, id), newest.first)
    expect(before).toMatchObject({ bodies: ['two', 'three'], isLast: false })
    const rest = await page.evaluate((id) => globalThis.chatPage.archive(50, id), before.first)
    expect(rest.bodies.at(-1)).toBe('one')
    expect(rest.isLast).toBe(true)
  })

  test('the policy of the page has nothing to refuse', () => {
    const refused = said.filter((line) => line.includes('Content Security Policy'))
    // Converse's own page shows logos from elsewhere.
    expect(refused.filter((line) => !line.includes('Loading the image'))).toEqual([])
    if (host === 'strophe') expect(refused).toEqual([])
  })

  test(`a stream that breaks: ${after.join(', ')}`, async () => {
    const jid = await page.evaluate(() => globalThis.chatPage.jid())
    await page.evaluate(() => globalThis.chatPage.cut())
    const states = await page.evaluate((count) => globalThis.chatPage.sessions(count), after.length)
    expect(states).toEqual(after)
    if (after.at(-1) === 'lost') {
      const refused = await page.evaluate(() => globalThis.chatPage.archive(1).catch(String))
      expect(refused).toContain('ConnectionError')
      return
    }
    expect(await page.evaluate(() => globalThis.chatPage.jid())).toBe(jid)
    expect(await page.evaluate(() => globalThis.chatPage.roundTrip('again'))).toMatchObject({
      heard: 'again',
    })
  })
})

/** A message from one client to another, which has arrived when this resolves. */
async function say(from: Connection, to: Connection, body: string): Promise<void> {
  const id = `say-${body}`
  const arrived = arrival(to, (stanza) => stanza.name === 'message' && stanza.attrs.id === id)
  const children = [element('jabber:client', 'body', {}, body)]
  await from.send(element('jabber:client', 'message', { to: to.jid, type: 'chat', id }, children))
  await arrived
}
