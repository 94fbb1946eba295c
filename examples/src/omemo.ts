// Two people, three devices and a stranger: all of it in this process, on a server that testkit provides.
import { features, Omemo } from '@xmpp-e2e/omemo'
import { memoryStore } from '@xmpp-e2e/store'
import { testService } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification, formatFingerprint } from '@xmpp-e2e/trust'
import { type BareJid, ns, text } from '@xmpp-e2e/xml'
import { clock } from '@xmpp-e2e/xml/system'

const service = testService({ now: Date.now() }) // its time is that of `clock`
service.subscribeBoth('romeo', 'juliet')
const stanza = ns('jabber:client')

/** A client: a connection (of xmpp.js, strophe.js or stanza in an application), and OMEMO on it. */
async function device(name: string, resource: string) {
  const account = service.account(name)
  const client = service.connect(name, { resource })
  const omemo = await Omemo.open({
    account,
    connection: client.connection,
    store: memoryStore(), // a durable one in an application: keys must survive
    policy: blindTrustBeforeVerification, // which keys are used is yours to decide, so there is no default
    clock,
  })
  omemo.listen((arrived) => {
    if (arrived.kind === 'unreadable') return console.log(`${resource}: cannot read it: ${arrived.code}`)
    console.log(`${resource}: ${arrived.sender.jid} says ${arrived.content.map(text)} (${arrived.key.level})`)
  }) // when this returns, the message counts as saved
  client.presence({ features }) // so that the server tells of devices that come and go
  await omemo.start() // publishes the device and its keys
  return omemo
}

const romeo = await device('romeo', 'orchard')
const juliet = await device('juliet', 'balcony')
const [romeosJid, julietsJid] = [service.account('romeo'), service.account('juliet')]

async function say(omemo: Omemo, to: BareJid, words: string): Promise<void> {
  const sent = await omemo.send(stanza('message', { to, type: 'chat' }, stanza('body', {}, words)), [to])
  if (sent.kind === 'refused') return console.log(`not sent: ${sent.code}`)
  const skipped = sent.skipped.map(({ key, code }) => `${code} of ${key?.owner}`)
  console.log(`encrypted for ${sent.reached.length} device(s);`, skipped.length > 0 ? skipped.join() : 'all')
  await service.settle()
}

await say(romeo, julietsJid, 'But, soft!')
await say(juliet, romeosJid, 'Ay me!')

// They meet, and Romeo scans the code on Juliet's screen. From now on nothing of hers is trusted blindly.
for (const { fingerprint, level } of await romeo.scan(juliet.uri, julietsJid))
  console.log(`${formatFingerprint('omemo', fingerprint)} is ${level}`)

// Somebody who has her password adds a device. It gets nothing, and he is told.
romeo.on((event) => {
  if (event.kind === 'key-met') console.log(`a new key of ${event.key.owner}: ${event.key.level}`)
})
await device('juliet', 'tower')
await service.settle()
await say(romeo, julietsJid, 'Is it you?')
