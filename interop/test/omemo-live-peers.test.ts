/** The peers among themselves, without this project: what fails here is theirs or the drivers'. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AXOLOTL, OMEMO_2 } from '../src/python-omemo.ts'
import type { Server } from '../src/server.ts'
import { SERVERS } from '../src/servers.ts'
import { Slixmpp } from '../src/slixmpp.ts'

describe.each(SERVERS)('%s', (_name, start) => {
  let server: Server
  let python: Slixmpp
  beforeAll(async () => {
    ;[server, python] = await Promise.all([start(), Slixmpp.start()])
  })
  afterAll(async () => {
    await python?.stop()
    await server?.stop()
  })

  test('devices of both namespaces write to each other, and their own devices read along', async () => {
    const [alice, bob, desk] = [
      await python.connect(server, server.account('alice'), { preKeys: 5 }),
      await python.connect(server, server.account('bob'), { preKeys: 5, namespaces: [AXOLOTL] }),
      await python.connect(server, server.account('bob'), { preKeys: 5, namespaces: [OMEMO_2] }),
    ]
    const { errors, namespaces } = await alice.send(bob.jid, 'to both')
    expect(errors).toEqual([])
    expect([...namespaces].sort()).toEqual([AXOLOTL, OMEMO_2].sort())
    expect(await bob.message()).toMatchObject({ body: 'to both', namespace: AXOLOTL, sender: alice.jid })
    expect(await desk.message()).toMatchObject({ body: 'to both', namespace: OMEMO_2, sender: alice.jid })
    await bob.send(alice.jid, 'back')
    expect(await alice.message()).toMatchObject({ kind: 'message', body: 'back', deviceId: bob.deviceId })
  })
})
