/** Profanity and python-omemo, without this project: what fails here is theirs or the drivers'. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeFriends, publishNoDevices } from '../src/friends.ts'
import { Profanity } from '../src/profanity.ts'
import { startProsody } from '../src/prosody.ts'
import { AXOLOTL } from '../src/python-omemo.ts'
import type { Server } from '../src/server.ts'
import { Slixmpp } from '../src/slixmpp.ts'

let server: Server
let python: Slixmpp
beforeAll(async () => {
  ;[server, python] = await Promise.all([startProsody(), Slixmpp.start()])
})
afterAll(async () => {
  await python?.stop()
  await server?.stop()
})

test('Profanity and python-omemo write to each other, before and after a restart', async () => {
  const [a, b] = [server.account('alice'), server.account('bob')]
  await makeFriends(server, a, b)
  await publishNoDevices(server, a)
  const bob = await python.connect(server, b, { preKeys: 5, namespaces: [AXOLOTL] })
  const profanity = await Profanity.start(server, a)
  try {
    await profanity.chat(bob.jid)
    await profanity.say('hello bob')
    expect(await bob.message()).toMatchObject({ body: 'hello bob', sender: 'alice@localhost' })
    await bob.send('alice@localhost', 'hello alice')
    await profanity.hears(bob.jid, 'hello alice')
    await profanity.quit()
    await profanity.start()
    await bob.send('alice@localhost', 'there again')
    await profanity.hears(bob.jid, 'there again')
    await profanity.chat(bob.jid)
    await profanity.say('here I am')
    expect(await bob.message()).toMatchObject({ body: 'here I am' })
  } finally {
    await profanity.stop()
  }
})
