// Two clients on a service in memory. Each says what it can do; Juliet finds out what Romeo's can, and which encryption
// she can write to him with. Later his keys have gone from his account, and she is told that this is no small matter.
import { disco } from '@xmpp-e2e/disco'
import { deleteNode, publish } from '@xmpp-e2e/disco/pep'
import { schemeSupport } from '@xmpp-e2e/disco/schemes'
import { memoryStore } from '@xmpp-e2e/store'
import { testService } from '@xmpp-e2e/testkit'
import { element } from '@xmpp-e2e/xml'

const service = testService()
service.subscribeBoth('romeo', 'juliet')

// With a host library, `connection` is what its adapter gives: see `@xmpp-e2e/xml/xmppjs` and its siblings.
async function login(name: string, features: readonly string[]) {
  const { connection, jid } = service.connect(name, { resource: 'phone' })
  const store = memoryStore() // use a durable store in an application
  const client = disco(connection, {
    store,
    identities: [{ category: 'client', type: 'phone', name: 'Gabber' }],
    node: 'https://gabber.example/',
    features,
  })
  client.answer()
  await connection.send(client.announce(element('jabber:client', 'presence')))
  await service.settle()
  return { client, connection, jid, support: schemeSupport(connection, { disco: client, store }) }
}

const juliet = await login('juliet', ['urn:xmpp:omemo:2:devices+notify'])
const romeo = await login('romeo', ['urn:xmpp:omemo:2:devices+notify', 'urn:xmpp:receipts'])

// His presence has a hash of what his client can do. She asks once for all clients of that kind, and checks the answer.
const { identities, features } = await juliet.client.info(romeo.jid)
console.log(`Romeo's client is ${identities[0]?.name}; receipts: ${features.includes('urn:xmpp:receipts')}`)

// Adding a feature announces the presence again.
romeo.client.add({ features: ['urn:xmpp:otr:0'] })
await service.settle()
console.log('OTR now:', (await juliet.client.info(romeo.jid)).features.includes('urn:xmpp:otr:0'))

// He publishes a device list, as OMEMO does, and takes it away.
const NODE = 'urn:xmpp:omemo:2:devices'
const devices = element('urn:xmpp:omemo:2', 'devices', {}, element('urn:xmpp:omemo:2', 'device', { id: 7 }))
const tell = async (when: string) => {
  const answers = Object.values(await juliet.support.of(romeo.jid))
  console.log(`${when}:`, answers.map(({ scheme, answer }) => `${scheme} ${answer}`).join(', '))
}
juliet.support.on(({ support }) => console.log(`${support.scheme} has gone:`, support.evidence[0]?.kind))

await tell('before')
await publish(romeo.connection, NODE, { id: 'current', payload: devices }, { access: 'open' })
await tell('with keys')
await deleteNode(romeo.connection, NODE)
await tell('without')
