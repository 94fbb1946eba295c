// Two people with OpenPGP keys, one of them with two clients: all of it in this process, on a server that testkit provides.
import { features, Ox } from '@xmpp-e2e/ox'
import { memoryStore } from '@xmpp-e2e/store'
import { testService } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification, formatFingerprint } from '@xmpp-e2e/trust'
import { type BareJid, type Element, ns, receive, text } from '@xmpp-e2e/xml'
import { clock } from '@xmpp-e2e/xml/system'

const service = testService({ now: Date.now() }) // its time is that of `clock`
service.subscribeBoth('romeo', 'juliet')
const stanza = ns('jabber:client')

/** A client: a connection (of xmpp.js, strophe.js or stanza in an application), and OpenPGP on it. */
async function client(name: string, resource: string) {
  const account = service.account(name)
  const { connection, presence } = service.connect(name, { resource })
  const ox = await Ox.open({
    account,
    connection,
    store: memoryStore(), // a durable one in an application: what is encrypted to a lost key is lost
    policy: blindTrustBeforeVerification, // which keys are used is yours to decide, so there is no default
    clock,
  })

  const show = (...words: readonly string[]) => console.log(`${resource}:`, ...words)
  async function read(raw: Element): Promise<void> {
    const received = receive(raw, { account })
    if (received.kind !== 'message' || !ox.claims(received.stanza)) return
    const arrived = await ox.decrypt(received)
    switch (arrived.kind) {
      case 'message': // save it, then
        show(`${arrived.sender?.jid} says ${arrived.content.map(text)} (${arrived.key?.level})`)
        return ox.settle([arrived.ref]) // from now on it is a duplicate, whoever sends it again
      case 'unreadable':
        return show(`cannot read it: ${arrived.code}`)
      case 'silent': // nothing to show
        return show(`nothing: ${arrived.why}`)
    }
  }

  const archive: Element[] = []
  let reading = Promise.resolve() // one after the other
  connection.subscribe({
    stanza(raw) {
      if (ox.claims(raw)) archive.push(raw)
      reading = reading.then(() => read(raw))
    },
  })
  presence({ features }) // so that the server tells of keys that come and go

  async function say(to: BareJid, words: string): Promise<void> {
    const sent = await ox.send(stanza('message', { to, type: 'chat' }, stanza('body', {}, words)), [to])
    if (sent.kind === 'refused') return show(`not sent: ${sent.code}`)
    const skipped = sent.skipped.map(({ owner, code }) => `${code} of ${owner}`)
    show(`encrypted to ${sent.keys.length} keys;`, skipped.length > 0 ? skipped.join() : 'all')
    await service.settle()
  }
  return { account, ox, archive, say, read, idle: () => reading }
}

const [romeo, juliet] = await Promise.all([client('romeo', 'orchard'), client('juliet', 'balcony')])
await romeo.ox.generate({ passphrase: 'a rose' }) // it is stored under that: `lock` makes it be asked for
await juliet.ox.generate()
await Promise.all([romeo.ox.start(), juliet.ox.start()]) // publishes the keys

await romeo.say(juliet.account, 'But, soft!')
await juliet.idle()

// They meet, and Romeo scans the code on Juliet's screen. From now on no key of hers is trusted blindly.
for (const { fingerprint, level } of await romeo.ox.scan(juliet.ox.uri ?? '', juliet.account))
  console.log(`${formatFingerprint('openpgp', fingerprint)} is ${level}`)

// Juliet's other client gets her key from the server, which cannot read it: she writes the code down, and types it there.
const { code } = await juliet.ox.createBackup()
const tower = await client('juliet', 'tower')
await tower.ox.restoreBackup(code)
await tower.ox.start()
for (const old of juliet.archive) await tower.read(old) // one key for all clients: it reads what was there before it
await tower.say(romeo.account, 'Ay me!')
await romeo.idle()
await romeo.read(romeo.archive.at(-1) ?? stanza('message')) // whoever sends it again, under whatever id

await Promise.all([romeo, juliet, tower].map(({ ox }) => ox.close()))
