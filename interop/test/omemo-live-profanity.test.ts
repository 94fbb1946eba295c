/** The façade and Profanity, which speaks 0.3 and is used by a person: its commands, its screen and its logs. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BareJid, bareJid, serialize } from '@xmpp-e2e/xml'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { arrival } from '../src/arrival.ts'
import { type OpenStore, openStore } from '../src/disk-stores.ts'
import { Facade, summary } from '../src/facade.ts'
import { makeFriends, publishNoDevices } from '../src/friends.ts'
import { Profanity } from '../src/profanity.ts'
import { startProsody } from '../src/prosody.ts'
import { AXOLOTL } from '../src/python-omemo.ts'
import type { Account, Server } from '../src/server.ts'

let server: Server
let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xmpp-e2e-live-'))
  server = await startProsody()
})
afterAll(async () => {
  await server?.stop()
  await rm(directory, { recursive: true, force: true })
})

/** Our device on LevelDB, which can be stopped and started. */
class Restartable {
  facade!: Facade
  #open!: OpenStore
  readonly #account: Account
  constructor(account: Account) {
    this.#account = account
  }

  async start(): Promise<void> {
    this.#open = await openStore('level', directory, this.#account.jid)
    this.facade = await Facade.open(server, this.#account, { store: this.#open.store })
  }

  async stop(): Promise<void> {
    await this.facade?.close()
    await this.#open?.close()
  }
}

async function pair(one: string, other: string) {
  const [a, p] = [server.account(one), server.account(other)]
  await makeFriends(server, a, p)
  // Without any list, it says that it cannot get one, and publishes none.
  await publishNoDevices(server, p)
  const alice = new Restartable(a)
  await alice.start()
  // Its bundle is published before its list.
  const published = arrival(
    alice.facade.connection,
    (el) => el.attrs.from === p.jid && serialize(el).includes('<device '),
  )
  const profanity = await Profanity.start(server, p)
  await published
  return { alice, profanity, a: a.jid as BareJid, p: bareJid.decode(p.jid) as BareJid }
}

type Pair = Awaited<ReturnType<typeof pair>>

async function itSays({ alice, profanity, p }: Pair, body: string): Promise<void> {
  await profanity.say(body)
  const about = { protocol: AXOLOTL, from: p, chat: p, own: false }
  expect(summary(await alice.facade.next())).toMatchObject({ body, ...about })
}

async function weSay({ alice, profanity, a, p }: Pair, body: string): Promise<void> {
  const { reached, skipped } = await alice.facade.send(p, body)
  expect([reached.map(({ protocol }) => protocol), skipped]).toEqual([[AXOLOTL], []])
  await profanity.hears(a, body)
}

async function end({ alice, profanity }: Pair): Promise<void> {
  await alice.stop()
  await profanity.stop()
}

test('it writes first; and both go on after either has been started again', async () => {
  const both = await pair('alice', 'bob')
  const { alice, profanity, a } = both
  try {
    await profanity.chat(a)
    await itSays(both, 'one')
    await itSays(both, 'two')
    await weSay(both, 'three')
    await itSays(both, 'four')
    const { deviceId } = alice.facade
    await alice.stop()
    await alice.start()
    expect(alice.facade.deviceId).toBe(deviceId)
    await itSays(both, 'five')
    await weSay(both, 'six')
    await profanity.quit()
    await profanity.start()
    await weSay(both, 'seven')
    await profanity.chat(a)
    await itSays(both, 'eight')
  } finally {
    await end(both)
  }
})

test('we write first; and both go on after either has been started again', async () => {
  const both = await pair('carol', 'dave')
  const { alice, profanity, a } = both
  try {
    await weSay(both, 'one')
    await weSay(both, 'two')
    await profanity.chat(a)
    await itSays(both, 'three')
    await weSay(both, 'four')
    await profanity.quit()
    await profanity.start()
    await profanity.chat(a)
    await itSays(both, 'five')
    await weSay(both, 'six')
    await alice.stop()
    await alice.start()
    await weSay(both, 'seven')
    await itSays(both, 'eight')
  } finally {
    await end(both)
  }
})

test('what is said while it is away is read when it comes back', async () => {
  const both = await pair('erin', 'frank')
  const { alice, profanity, a, p } = both
  try {
    await weSay(both, 'one')
    await profanity.quit()
    for (const body of ['two', 'three']) await alice.facade.send(p, body)
    await profanity.start()
    for (const body of ['two', 'three']) await profanity.hears(a, body)
    await profanity.chat(a)
    await alice.stop()
    for (const body of ['four', 'five']) await profanity.say(body)
    await alice.start()
    for (const body of ['four', 'five']) expect(summary(await alice.facade.next())).toMatchObject({ body })
  } finally {
    await end(both)
  }
})
