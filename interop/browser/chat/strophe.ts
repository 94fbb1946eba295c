/** A client made of strophe.js and this project's packages. */
import { disco } from '@xmpp-e2e/disco'
import { notify } from '@xmpp-e2e/disco/pep'
import { memoryStore } from '@xmpp-e2e/store'
import { element } from '@xmpp-e2e/xml'
import { connection } from '@xmpp-e2e/xml/strophe'
import { Strophe } from 'strophe.js'
import { GUARD, login, NODE, serve, socketOf } from './page.ts'

const { url, jid, password } = login()
const strophe = new Strophe.Connection(url)
const wire = connection(strophe, { ...GUARD, document })
const own = disco(wire, {
  store: memoryStore(),
  identities: [{ category: 'client', type: 'web', name: 'strophe.js' }],
  node: 'https://xmpp-e2e.example/strophe',
  features: [notify(NODE)],
})
own.answer()
serve(wire, () => socketOf(strophe).close())
wire.subscribe({
  async session(state) {
    if (state !== 'new') return
    const enable = element('urn:xmpp:carbons:2', 'enable')
    await wire.request(element('jabber:client', 'iq', { type: 'set' }, enable))
    await wire.send(own.announce(element('jabber:client', 'presence')))
  },
})
strophe.connect(jid, password)
