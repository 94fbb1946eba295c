// A server, two clients and a network that fails, all in this process and the same way each time.
import { sequence, testService } from '@xmpp-e2e/testkit'
import { ns } from '@xmpp-e2e/xml'

const service = testService({ seed: 1 }) // another seed, another order of what happens at the same time
service.subscribeBoth('juliet', 'romeo') // accounts are made on first use
const juliet = service.connect('juliet', { resource: 'balcony' })
const romeo = service.connect('romeo', { resource: 'orchard' })

// Give `connection` to the code under test. Here it is used by hand.
const pubsub = ns('http://jabber.org/protocol/pubsub')
const client = ns('jabber:client')
const publish = (mood: string) => {
  const item = pubsub('item', { id: 'current' }, ns('http://jabber.org/protocol/mood')('mood', {}, mood))
  const request = pubsub('publish', { node: 'http://jabber.org/protocol/mood' }, item)
  return juliet.connection.request(client('iq', { type: 'set' }, pubsub('pubsub', {}, request)))
}

// The server asks what the hash in his presence means, checks it, and sends events only if it is right.
romeo.presence({ features: ['http://jabber.org/protocol/mood+notify'] })
juliet.presence()
await service.settle() // until nothing is under way

await publish('impatient') // a request needs no settling

// The connection breaks when the server has done its work and the answer is on its way. Nothing is told, and the
// request waits, because the session may yet be resumed.
service.fault({
  fault: { kind: 'disconnect', when: 'before' },
  client: 'juliet/balcony',
  direction: 'received',
  nth: 1,
})
const answer = publish('in_love')
await service.settle()
console.log('online:', juliet.online)
console.log('then:', juliet.resume())
console.log('answered:', (await answer).attrs.type)

// Time passes when told to. A request that nobody answers fails after a minute of it; `finish` lets it pass.
const stop = service.fault({ fault: { kind: 'drop' }, client: 'juliet', direction: 'sent' })
const outcome = publish('sad').catch((error) => error.code)
console.log('dropped:', await service.finish(outcome), stop.hits)

// What went over the wires; `mermaid` draws the same, `written` gives it as XML.
console.log(sequence(service.transcript.slice(-8)))
