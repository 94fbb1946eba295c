// Two people agree on keys, talk, and make sure of each other: all of it in this process, on a server that testkit provides.
import { Otr } from '@xmpp-e2e/otr'
import { memoryStore } from '@xmpp-e2e/store'
import { testService } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification, formatFingerprint } from '@xmpp-e2e/trust'
import { type BareJid, ns, text } from '@xmpp-e2e/xml'
import { clock } from '@xmpp-e2e/xml/system'

const service = testService({ now: Date.now() }) // its time is that of `clock`
service.subscribeBoth('romeo', 'juliet')
const stanza = ns('jabber:client')

/** A client: a connection (of xmpp.js, strophe.js or stanza in an application), and OTR on it. */
async function client(name: string, resource: string) {
  const account = service.account(name)
  const { connection, presence } = service.connect(name, { resource })
  const otr = await Otr.open({
    account,
    connection,
    store: memoryStore(), // a durable one in an application: the key must survive, sessions never do
    policy: blindTrustBeforeVerification, // which keys are used is yours to decide, so there is no default
    clock,
  })

  const show = (...words: readonly string[]) => console.log(`${resource}:`, ...words)
  /** Plain text passes too, since whoever asks for OTR does so in it. */
  otr.listen((arrived) => {
    switch (arrived.kind) {
      case 'message':
        return show(`${arrived.sender.jid} says ${arrived.content.map(text)} (${arrived.key.level})`)
      case 'plain': // show `arrived.stanza`, whose tag is removed
        return show(arrived.unexpected ? 'not encrypted, beware' : 'not encrypted')
      case 'unreadable':
        return show(`cannot read it: ${arrived.code}`)
    }
  })
  otr.on((event) => {
    if (event.kind === 'session') show(`${event.session.state} with ${event.jid}`)
    if (event.kind === 'smp-asked') show(`is asked: ${event.question}`)
  })
  presence()
  return otr
}

const [romeo, juliet] = await Promise.all([client('romeo', 'orchard'), client('juliet', 'balcony')])
const [romeosJid, julietsJid] = [service.account('romeo'), service.account('juliet')]

async function say(otr: Otr, to: BareJid, words: string): Promise<void> {
  const sent = await otr.send(stanza('message', { to, type: 'chat' }, stanza('body', {}, words)), [to])
  if (sent.kind === 'refused') console.log(`not sent: ${sent.code}`)
  await service.settle()
}

await say(romeo, julietsJid, 'But, soft!') // there is no session yet, and nothing falls back to plain text
await romeo.query(julietsJid)
await service.settle()
await say(romeo, julietsJid, 'But, soft!')
await say(juliet, romeosJid, 'Ay me!')

// They have met before. He asks something that nobody else knows; neither a wrong answer nor the server learns it.
const ended = new Promise<string>((done) => {
  romeo.on((event) => event.kind === 'smp-ended' && done(event.result))
})
juliet.on((event) => event.kind === 'smp-asked' && void juliet.answer(event.jid, 'a mask'))
await romeo.compare(julietsJid, 'a mask', { question: 'What did I wear when we met?' })
console.log('her answer:', await ended)
for (const { fingerprint, level, by } of await romeo.keys(julietsJid))
  console.log(`${formatFingerprint('otr', fingerprint)} is ${level}, by ${by}`)

await romeo.end(julietsJid) // overwrites the keys on both sides: who finds them later reads nothing
await service.settle()
await say(juliet, romeosJid, 'O, wilt thou leave me so unsatisfied?')
await Promise.all([romeo.close(), juliet.close()])
