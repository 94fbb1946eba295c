/** The façade and the library of Gajim, with GnuPG for what it leaves to others. */
import { fetchItems, publish } from '@xmpp-e2e/disco/pep'
import { element, parse, receive, serialize } from '@xmpp-e2e/xml'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Gpg } from '../src/ox/gpg.ts'
import { Nbxmpp } from '../src/ox/nbxmpp.ts'
import { assertEncrypted, base64, bodyOf, OX } from '../src/ox/scene.ts'
import { toolScene } from '../src/ox/suite.ts'

const all = toolScene(() => Gpg.start())
let gajim: Nbxmpp
beforeAll(async () => {
  gajim = await Nbxmpp.start()
})
afterAll(async () => {
  await gajim?.stop()
})

const BODY = 'ü ☃ 😀 &amp; <b>'
const open = { access: 'open', persist: true } as const

async function itemOf(node: string): Promise<string> {
  const { scene, contact } = all
  const fetching = fetchItems(contact.connection, node, { owner: scene.ours, max: 1 })
  const payload = (await scene.during(fetching)).at(-1)?.payload
  if (payload === undefined) throw new Error(`${node} is empty`)
  return serialize(payload)
}

test('XEP-0373 §3: it reads our message', async () => {
  const { tool, scene, contact, key, certificate } = all
  const chat = element('jabber:client', 'message', { to: contact.jid, type: 'chat' }, [
    element('jabber:client', 'body', {}, BODY),
  ])
  const sent = await scene.during(scene.ox.encrypt(chat, [contact.jid]))
  assertEncrypted(sent)
  const message = Buffer.from(await gajim.readMessage(serialize(sent.stanzas[0])), 'base64')
  const content = await gajim.readContent(await tool.open(message, key, certificate))
  expect(content).toMatchObject({ bodies: [BODY], to: [contact.jid] })
  expect(Math.abs(Date.parse(content.time) - Date.now())).toBeLessThan(600_000)
})

test('XEP-0373 §3: we read its message', async () => {
  const { tool, scene, contact, key, certificate } = all
  const message = await tool.encrypt(await gajim.writeContent(scene.ours, BODY), [certificate], key)
  const written = parse(await gajim.writeMessage(scene.ours, base64(message)))
  const stanza = element(
    'jabber:client',
    'message',
    { ...written.attrs, from: contact.jid },
    written.children,
  )
  const received = receive(stanza, { account: scene.ours })
  if (received.kind !== 'message') throw new Error(received.kind)
  const decrypted = await scene.during(scene.ox.decrypt(received))
  expect(bodyOf(decrypted)).toBe(BODY)
  expect(decrypted).toMatchObject({ authenticated: true, warnings: [] })
})

test('XEP-0373 §4: it reads our list, and we read its, and its certificate', async () => {
  const { tool, scene } = all
  expect(await gajim.readList(await itemOf(`${OX}:public-keys`))).toEqual([
    scene.ox.fingerprint?.toUpperCase(),
  ])
  const contact = scene.contact('gajim')
  const key = await tool.generate(`xmpp:${contact.jid}`)
  const [fingerprint, now] = [key.fingerprint.toUpperCase(), new Date()]
  const certificate = parse(await gajim.writeKey(base64(key.certificate), now))
  const list = parse(await gajim.writeList([fingerprint], now))
  for (const [node, payload] of [
    [`${OX}:public-keys:${fingerprint}`, certificate],
    [`${OX}:public-keys`, list],
  ] as const)
    await scene.during(publish(contact.connection, node, { id: 'current', payload }, open))
  expect(await tool.open(await contact.gets(BODY), key, all.certificate)).toContain('<signcrypt ')
})

test('XEP-0373 §5: it reads our backup, and we restore what it has written', async () => {
  const { tool, scene } = all
  const own = scene.contact('ours').connection
  const { code } = await scene.during(scene.ox.createBackup())
  const node = `${OX}:secret-key`
  const [item] = await scene.during(fetchItems(own, node, { max: 1 }))
  if (item?.payload === undefined) throw new Error('there is no backup')
  const message = Buffer.from(await gajim.readSecret(serialize(item.payload)), 'base64')
  expect(await tool.import(await tool.unseal(message, code))).toEqual([scene.ox.fingerprint])

  const key = await tool.generate(`xmpp:${scene.ours}`)
  const payload = parse(await gajim.writeSecret(base64(await tool.seal(key.secret, code))))
  await scene.during(publish(own, node, { id: 'current', payload }, { access: 'whitelist' }))
  const restored = await scene.during(scene.ox.restoreBackup(code))
  expect(restored.map(({ fingerprint }) => fingerprint)).toContain(key.fingerprint)
})
