// A bot that says again what it is told. It reconnects, knows what its owner writes elsewhere, reads what it has missed,
// and goes on where it was after it has been killed.
import { client, xml } from '@xmpp/client'
import { disco } from '@xmpp-e2e/disco'
import { type Arrived, features, Omemo } from '@xmpp-e2e/omemo'
import { scoped } from '@xmpp-e2e/store'
import { levelStore } from '@xmpp-e2e/store/level'
import { blindTrustBeforeVerification as policy } from '@xmpp-e2e/trust'
import { bare, ns, text } from '@xmpp-e2e/xml'
import { clock, random } from '@xmpp-e2e/xml/system'
import { connection as connect } from '@xmpp-e2e/xml/xmppjs'
import { ClassicLevel } from 'classic-level'

const account = bare('echo@localhost')
const stanza = ns('jabber:client')
const xmpp = client({ service: 'xmpp://localhost', username: 'echo', password: 'secret' })
xmpp.on('error', (error: Error) => console.error(error.message)) // it reconnects by itself
const connection = connect(xmpp, { xml, random, clock })
const store = await levelStore(ClassicLevel, './echo', { random })
const omemo = await Omemo.open({ account, connection, policy, clock, store })

async function answer(arrived: Arrived): Promise<void> {
  if (arrived.kind === 'unreadable') return console.log('cannot read a message:', arrived.code)
  const body = arrived.content.find(({ name }) => name === 'body')
  if (arrived.own || !body) return // what the owner writes elsewhere comes as a carbon
  const reply = stanza('message', { to: arrived.chat, type: 'chat' }, stanza('body', {}, text(body)))
  const sent = await omemo.send(reply, [arrived.chat])
  if (sent.kind === 'refused') console.log('cannot answer:', sent.code)
}
omemo.listen(answer) // a message is given again until its answer is sent

// What it can do, so that its server tells it of its contacts' devices.
const caps = disco(connection, {
  store: scoped(store, 'disco'),
  identities: [{ category: 'client', type: 'bot', name: 'Echo' }],
  node: 'https://echo.example',
  features,
})
caps.answer()

connection.subscribe({
  async session(state) {
    if (state !== 'new') return
    await connection.request(stanza('iq', { type: 'set' }, ns('urn:xmpp:carbons:2')('enable')))
    await omemo.catchUp() // from the archive, what has come since it was here last
    await connection.send(caps.announce(stanza('presence')))
  },
})
setInterval(() => void omemo.tick(), 60_000)
await Promise.all([omemo.start(), xmpp.start()])
