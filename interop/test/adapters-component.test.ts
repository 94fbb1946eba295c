/**
 * What a component can do (XEP-0114), which has neither roster nor PEP: it reads what accounts have published openly,
 * and answers in the place of PEP for what is asked of itself.
 */

import { component as createComponent, xml } from '@xmpp/component'
import { configure, fetchItems, publish } from '@xmpp-e2e/disco/pep'
import { bareJid, type Connection, type Element, element, ns } from '@xmpp-e2e/xml'
import { connection as xmppjsConnection } from '@xmpp-e2e/xml/xmppjs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, GUARD } from '../src/client.ts'
import type { Server } from '../src/server.ts'
import { SERVERS } from '../src/servers.ts'

const client = ns('jabber:client')
const pubsub = ns('http://jabber.org/protocol/pubsub')
const NODE = 'urn:example:keys'
const key = element('urn:example:key', 'key', {}, 'AAAA')

describe.each(SERVERS)('%s', (_name, start) => {
  let server: Server
  let alice: Awaited<ReturnType<typeof connect>>
  let component: ReturnType<typeof createComponent>
  let service: Connection
  beforeAll(async () => {
    server = await start()
    alice = await connect(server, server.account('alice'))
    const { jid, password } = server.service
    component = createComponent({
      service: `xmpp://127.0.0.1:${server.ports.component}`,
      domain: jid,
      password,
    })
    component.on('error', () => undefined)
    component.reconnect.stop()
    service = xmppjsConnection(component, { ...GUARD, xml })
    await component.start()
  })
  afterAll(async () => {
    await component.stop()
    await alice.close()
    await server.stop()
  })

  test('its session has the JID of the component', () => {
    expect(service.jid).toBe(server.service.jid)
  })

  test('it reads open nodes of accounts, and no others', async () => {
    const owner = bareJid.decode(server.account('alice').jid)
    await publish(alice.connection, NODE, { id: 'current', payload: key }, { access: 'open', persist: true })
    expect(await fetchItems(service, NODE, { owner })).toMatchObject([{ id: 'current', payload: key }])
    await configure(alice.connection, NODE, { access: 'whitelist' })
    await expect(fetchItems(service, NODE, { owner })).rejects.toMatchObject({ name: 'PepError' })
  })

  // Publishing goes to the account, which a component has not: ejabberd closes its stream for that.
  test('it answers for nodes of its own', async () => {
    const owner = bareJid.decode(server.service.jid)
    const stop = service.answer('http://jabber.org/protocol/pubsub', async () =>
      client(
        'iq',
        {},
        pubsub('pubsub', {}, pubsub('items', { node: NODE }, pubsub('item', { id: 'own' }, key))),
      ),
    )
    expect(await fetchItems(alice.connection, NODE, { owner })).toMatchObject([{ id: 'own', payload: key }])
    stop()
  })

  test('messages go both ways, in the namespace of clients', async () => {
    const bot = `bot@${server.service.jid}`
    const own = alice.connection.jid
    const body = client('body', {}, '?OTR')
    const to = new Promise<Element>((resolve) => service.subscribe({ stanza: resolve }))
    await alice.connection.send(client('message', { type: 'chat', to: bot }, body))
    expect(await to).toMatchObject({ ns: 'jabber:client', attrs: { from: own } })
    expect((await to).children).toContainEqual(body)
    const back = new Promise<Element>((resolve) => alice.connection.subscribe({ stanza: resolve }))
    await service.send(client('message', { type: 'chat', from: bot, to: own }, body))
    expect(await back).toMatchObject({ ns: 'jabber:client', attrs: { from: bot } })
    expect((await back).children).toContainEqual(body)
  })
})
