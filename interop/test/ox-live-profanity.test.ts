/** The façade and Profanity, which has its keys from GnuPG and knows one for each contact. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fetchItems } from '@xmpp-e2e/disco/pep'
import { type BareJid, bareJid } from '@xmpp-e2e/xml'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeFriends } from '../src/friends.ts'
import { Gpg } from '../src/ox/gpg.ts'
import { OxClient, summary } from '../src/ox/live.ts'
import { OX } from '../src/ox/scene.ts'
import { Profanity } from '../src/profanity.ts'
import { startProsody } from '../src/prosody.ts'
import type { Server } from '../src/server.ts'

let server: Server
let gpg: Gpg
beforeAll(async () => {
  ;[server, gpg] = await Promise.all([startProsody(), Gpg.start()])
})
afterAll(async () => {
  await gpg?.stop()
  await server?.stop()
})

test('it announces, discovers and asks for ours; messages both ways', async () => {
  const [a, b] = [server.account('alice'), server.account('bob')]
  const bob = bareJid.decode(b.jid) as BareJid
  await makeFriends(server, a, b)
  const key = await gpg.generate(`xmpp:${b.jid}`)
  const file = join(gpg.home, 'announced')
  await writeFile(file, key.certificate)
  const alice = await OxClient.open(server, a)
  const profanity = await Profanity.start(server, b, { scheme: 'ox', gnupgHome: gpg.home })
  try {
    await profanity.type(`/ox announce ${file}`)
    // Its window says nothing of it: the node does.
    const isThere = async () =>
      (await fetchItems(alice.connection, `${OX}:public-keys`, { owner: bob }).catch(() => [])).length > 0
    for (let look = 0; look < 100 && !(await isThere()); look++) await new Promise((r) => setTimeout(r, 100))

    await profanity.type(`/ox discover ${a.jid}`)
    const ours = alice.ox.fingerprint?.toUpperCase()
    await profanity.sees(new RegExp(`${ours}`))
    await profanity.type(`/ox request ${a.jid} ${ours}`)
    for (let look = 0; look < 100; look++) {
      const { stdout } = await gpg.run(['--list-keys', '--with-colons'])
      if (stdout.toString().includes(`${ours}`)) break
      await new Promise((r) => setTimeout(r, 100))
    }
    await profanity.open(a.jid)
    await profanity.type('/ox start')
    await profanity.sees(/^ .*\[OX\]/m)

    const texts = ['one', 'two: ü ☃ 😀 &amp; <b>']
    for (const body of texts) {
      await profanity.type(body)
      expect(summary(await alice.next())).toMatchObject({
        body,
        chat: b.jid,
        own: false,
        by: key.fingerprint,
        warnings: [],
        channel: 'live',
      })
    }
    for (const body of texts) {
      await alice.send(bob, body)
      await profanity.hears(a.jid, body)
    }
    expect(alice.events.filter(({ kind }) => kind === 'background-failed')).toEqual([])
  } finally {
    await alice.close()
    await profanity.stop()
  }
})
