import { client, xml } from '@xmpp/client'
import { Omemo } from '@xmpp-e2e/omemo'
import { memoryStore } from '@xmpp-e2e/store'
import { blindTrustBeforeVerification as policy } from '@xmpp-e2e/trust'
import { bare, ns, text } from '@xmpp-e2e/xml'
import { clock, random } from '@xmpp-e2e/xml/system'
import { connection as connect } from '@xmpp-e2e/xml/xmppjs'

const [account, friend, stanza] = [bare('juliet@localhost'), bare('romeo@localhost'), ns('jabber:client')]
const xmpp = client({ service: 'xmpp://localhost', username: 'juliet', password: 'secret' })
const connection = connect(xmpp, { xml, random, clock })
const omemo = await Omemo.open({ account, connection, policy, clock, store: memoryStore() })
omemo.listen((arrived) => console.log(arrived.kind === 'message' ? arrived.content.map(text) : arrived.code))
await Promise.all([omemo.start(), xmpp.start()])
await connection.send(stanza('presence'))
await omemo.send(stanza('message', { to: friend, type: 'chat' }, stanza('body', {}, 'Hello!')), [friend])
