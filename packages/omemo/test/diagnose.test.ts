import { configure, deleteNode, publish, retract } from '@xmpp-e2e/disco/pep'
import { ejabberd, modern, prosody } from '@xmpp-e2e/testkit'
import { manual } from '@xmpp-e2e/trust'
import { type BareJid, element } from '@xmpp-e2e/xml'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Finding, MAX_UNANSWERED } from '../src/index.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../src/protocol.ts'
import { bundles } from '../src/stanza/bundle.ts'
import { deviceLists } from '../src/stanza/device-list.ts'
import { chat, type TestDevice, type World, world } from './world.ts'

let w: World
let juliet: TestDevice
let romeo: BareJid

beforeEach(async () => {
  w = world()
  w.service.subscribeBoth('juliet', 'romeo')
  romeo = w.service.account('romeo')
  juliet = await w.device('juliet')
})

const BOTH = [OMEMO_2, AXOLOTL] as const

async function found(device: TestDevice, jid: BareJid): Promise<readonly Finding[]> {
  const before = (await device.store.list('')).entries
  const { findings } = await w.service.finish(device.omemo.diagnose(jid))
  expect((await device.store.list('')).entries, 'the store is as it was').toEqual(before)
  expect(findings.every(({ says }) => says.endsWith('.'))).toBe(true)
  for (const { namespace, says } of findings)
    expect(/^(?:omemo:2|0\.3): /.exec(says)?.[0]).toBe(
      namespace && (namespace === OMEMO_2 ? 'omemo:2: ' : '0.3: '),
    )
  expect(structuredClone(findings)).toEqual(findings)
  return findings
}

/** What is not as it should be. */
const wrong = async (device: TestDevice, jid: BareJid) =>
  (await found(device, jid)).flatMap(({ severity, code }) =>
    severity === 'info' ? [] : [`${severity} ${code}`],
  )

const codes = async (device: TestDevice, jid: BareJid) => (await found(device, jid)).map(({ code }) => code)

async function sends(from: TestDevice, to: BareJid, body = 'hello') {
  const outcome = await w.service.finish(from.omemo.encrypt(chat(to, body), [to]))
  if (outcome.kind === 'encrypted')
    for (const stanza of outcome.stanzas) await from.client.connection.send(stanza)
  await w.service.settle()
}

async function opensAll(device: TestDevice) {
  await w.service.settle()
  for (const received of device.arrived()) await w.service.finish(device.omemo.decrypt(received))
  await w.service.settle()
}

describe.each([modern, prosody, ejabberd])('on $name', (quirks) => {
  test('nothing is wrong where nothing is', async () => {
    w = world({ quirks })
    w.service.subscribeBoth('juliet', 'romeo')
    juliet = await w.device('juliet')
    const phone = await w.device('romeo')
    await sends(juliet, phone.account)
    await opensAll(phone)
    await opensAll(juliet)
    expect(await wrong(juliet, phone.account)).toEqual([])
    expect(await wrong(juliet, juliet.account)).toEqual([])
    expect(await codes(juliet, phone.account)).toContain('key-trusted')
  })
})

describe('of a contact', () => {
  test('who has no device', async () => {
    expect(await wrong(juliet, romeo)).toEqual(['error devices-missing'])
  })

  test('whose lists may not be read, and whose old ones are looked at', async () => {
    const phone = await w.device('romeo')
    await sends(juliet, romeo)
    for (const namespace of BOTH)
      await configure(phone.client.connection, deviceLists[namespace].node, { access: 'whitelist' })
    expect(await wrong(juliet, romeo)).toEqual(['error list-forbidden', 'error list-forbidden'])
    expect(await codes(juliet, romeo)).toContain('key-trusted')
  })

  test('whose server does not answer', async () => {
    await w.device('romeo')
    await sends(juliet, romeo)
    const stop = w.service.fault({
      fault: { kind: 'error', condition: 'remote-server-timeout' },
      direction: 'sent',
      client: 'juliet',
      match: ({ attrs }) => attrs.to === romeo,
    })
    const all = await wrong(juliet, romeo)
    stop()
    expect(new Set(all)).toEqual(new Set(['warning list-unavailable', 'warning bundle-unavailable']))
  })

  test.each<[string, Namespace]>([
    ['0.3', AXOLOTL],
    ['omemo:2', OMEMO_2],
  ])('whose %s list is not one', async (_, namespace) => {
    const phone = await w.device('romeo')
    const payload = element(namespace, 'nonsense')
    await publish(phone.client.connection, deviceLists[namespace].node, { id: 'current', payload })
    expect(await wrong(juliet, romeo)).toContain('error list-malformed')
  })

  test('whose bundle is not there in one namespace', async () => {
    const phone = await w.device('romeo')
    await deleteNode(phone.client.connection, bundles[AXOLOTL].location(phone.omemo.deviceId).node)
    const missing = (await found(juliet, romeo)).filter(({ code }) => code === 'bundle-missing')
    expect(missing).toMatchObject([{ namespace: AXOLOTL, device: phone.omemo.deviceId, jid: romeo }])
  })

  test('whose bundle has the identity of another device in one namespace', async () => {
    const [phone, tablet] = [await w.device('romeo'), await w.device('romeo')]
    const at = ({ omemo }: TestDevice) => bundles[AXOLOTL].location(omemo.deviceId)
    const asked = element('http://jabber.org/protocol/pubsub', 'items', { node: at(tablet).node })
    const iq = element('jabber:client', 'iq', { type: 'get' }, element(asked.ns, 'pubsub', {}, asked))
    const reply = JSON.stringify(await phone.client.connection.request(iq))
    const bundle = JSON.parse(reply).children[0].children[0].children[0].children[0]
    await publish(phone.client.connection, at(phone).node, { id: at(phone).item, payload: bundle })
    expect(await wrong(juliet, romeo)).toContain('error identities-differ')
  })

  test('whose key nobody has decided about, or who is distrusted', async () => {
    const careful = await w.device('juliet', { policy: manual })
    const phone = await w.device('romeo')
    expect(await wrong(careful, romeo)).toEqual(['warning key-undecided'])
    await sends(careful, romeo)
    expect(await wrong(careful, romeo)).toEqual(['warning key-undecided'])
    const key = { owner: romeo, fingerprint: phone.omemo.fingerprint }
    await careful.omemo.decide(key, 'distrusted', 'choice')
    expect(await wrong(careful, romeo)).toEqual(['warning key-distrusted'])
  })

  test('who never answers', async () => {
    await w.device('romeo')
    expect(await codes(juliet, romeo)).toContain('session-missing')
    await sends(juliet, romeo)
    expect(await codes(juliet, romeo)).toContain('session-pending')
    for (let i = 1; i < MAX_UNANSWERED; i++) await sends(juliet, romeo)
    expect(await wrong(juliet, romeo)).toEqual(['warning session-unanswered'])
  })

  test('who has another key than before', async () => {
    const phone = await w.device('romeo')
    await sends(juliet, romeo)
    const { deviceId } = phone.omemo
    const other = await w.device('romeo')
    for (const namespace of BOTH) {
      const [from, to] = [other.omemo.deviceId, deviceId].map((id) => bundles[namespace].location(id))
      const asked = element('http://jabber.org/protocol/pubsub', 'items', { node: from?.node })
      const iq = element('jabber:client', 'iq', { type: 'get' }, element(asked.ns, 'pubsub', {}, asked))
      const items = JSON.parse(JSON.stringify(await other.client.connection.request(iq))).children[0]
        .children[0].children
      const item = items.find(({ attrs }: { attrs: { id: string } }) => attrs.id === from?.item)
      await publish(phone.client.connection, to?.node as string, {
        id: to?.item as string,
        payload: item.children[0],
      })
    }
    expect(await wrong(juliet, romeo)).toContain('warning identity-changed')
  })
})

describe('of this device', () => {
  test('before it is published', async () => {
    const quiet = await w.device('juliet', { isStarted: false })
    const all = await wrong(quiet, quiet.account)
    expect(all.filter((code) => code === 'error own-device-unlisted')).toHaveLength(2)
    expect(all.filter((code) => code === 'error own-bundle-missing')).toHaveLength(2)
  })

  test('whose bundle is gone, or closed', async () => {
    await juliet.omemo.close()
    const again = await w.device('juliet', { store: juliet.store, isStarted: false })
    const { connection } = again.client
    await retract(
      connection,
      bundles[OMEMO_2].location(again.omemo.deviceId).node,
      String(again.omemo.deviceId),
    )
    await configure(connection, deviceLists[AXOLOTL].node, { access: 'presence' })
    expect(await wrong(again, romeo)).toEqual(
      expect.arrayContaining(['error own-bundle-missing', 'error own-node-closed']),
    )
    await w.service.finish(again.omemo.start())
    expect(await wrong(again, again.account)).toEqual([])
  })

  test('without a session: only what is stored', async () => {
    await w.device('romeo')
    await sends(juliet, romeo)
    juliet.client.close()
    const all = await codes(juliet, romeo)
    expect(all).toContain('offline')
    expect(all).toContain('key-trusted')
    expect(all).toContain('session-pending')
  })
})

test('an abort is its reason', async () => {
  const abort = new AbortController()
  abort.abort(new Error('enough'))
  await expect(w.service.finish(juliet.omemo.diagnose(romeo, { signal: abort.signal }))).rejects.toThrow(
    'enough',
  )
})
