// One client, several schemes: what it sends and reads by is a list, and one `switch` serves all. On testkit's server.
import { features, Omemo } from '@xmpp-e2e/omemo'
import { Otr } from '@xmpp-e2e/otr'
import { Ox, features as oxFeatures } from '@xmpp-e2e/ox'
import { memoryStore } from '@xmpp-e2e/store'
import { testService } from '@xmpp-e2e/testkit'
import {
  blindTrustBeforeVerification,
  type Evidence,
  type Key,
  type KeyRef,
  type Level,
} from '@xmpp-e2e/trust'
import { type BareJid, type Element, ns, type Received, receive, text } from '@xmpp-e2e/xml'
import { clock } from '@xmpp-e2e/xml/system'

/** What the classes of all schemes have in common, as a client may write it down. Codes are one union per scheme. */
export interface Scheme {
  /** In OpenPGP `undefined` until there is a key. */
  readonly fingerprint: string | undefined
  readonly uri: string | undefined
  start(): Promise<void>
  claims(stanza: Element): boolean
  encrypt(message: Element, to: readonly BareJid[]): Promise<Encrypted>
  send(message: Element, to: readonly BareJid[]): Promise<Encrypted>
  decrypt(received: Received): Promise<Decrypted>
  settle(refs: readonly string[]): Promise<void>
  on(listener: (event: { readonly kind: string }) => void): () => void
  keys(owner?: BareJid): Promise<readonly Key[]>
  decide(key: KeyRef, level: Level, by: Evidence): Promise<Key>
  scan(uri: string, expected: BareJid | undefined): Promise<readonly Key[]>
  tick(): Promise<{ readonly nextDue?: Date }>
  close(): Promise<void>
  erase(options: { readonly server: boolean }): Promise<{ readonly unlisted: boolean }>
}

export type Encrypted =
  | {
      readonly kind: 'encrypted'
      readonly stanzas: readonly [Element, ...Element[]]
      readonly keys: readonly Key[]
      readonly skipped: readonly { readonly owner: BareJid; readonly code: string }[]
      readonly exposed: readonly string[]
      readonly withheld: readonly string[]
    }
  | { readonly kind: 'refused'; readonly code: string; readonly ask: readonly Key[] }

export type Decrypted =
  | {
      readonly kind: 'message'
      readonly ref: string
      readonly content: readonly Element[]
      readonly stanza: Element
      readonly unauthenticated: readonly Element[]
      readonly protocol: string
      /** An account, or, in OTR, one of its clients; in a room `chat` is another one. */
      readonly sender: { readonly jid: string } | undefined
      /** In OpenPGP a message may be unsigned: then there is none, and `authenticated` is false. */
      readonly key: Key | undefined
      readonly authenticated: boolean
      readonly chat: BareJid
      readonly own: boolean
      readonly warnings: readonly string[]
    }
  | { readonly kind: 'silent'; readonly why: 'duplicate' | 'control' | 'own' | 'ignored' }
  | { readonly kind: 'plain'; readonly stanza: Element; readonly unexpected: boolean }
  | { readonly kind: 'unreadable'; readonly code: string; readonly retry: string }

const service = testService({ now: Date.now() })
const stanza = ns('jabber:client')
/** Messages are read one after the other. */
let reading = Promise.resolve()

/** A client. OTR comes last: it claims every message with a body, as its queries are in plain text. */
async function client(name: string, resource: string, speaks: readonly ('omemo' | 'ox' | 'otr')[]) {
  const account = service.account(name)
  const { connection, presence } = service.connect(name, { resource })
  const options = { account, connection, store: memoryStore(), policy: blindTrustBeforeVerification, clock }
  const omemo = speaks.includes('omemo') ? await Omemo.open(options) : undefined
  const ox = speaks.includes('ox') ? await Ox.open(options) : undefined
  await ox?.generate() // the others make their keys when they are opened
  const otr = speaks.includes('otr') ? await Otr.open(options) : undefined
  const schemes: readonly Scheme[] = [omemo, ox, otr].filter((one) => one !== undefined)

  async function read(raw: Element) {
    const received = receive(raw, { account })
    if (received.kind !== 'message') return
    const scheme = schemes.find((one) => one.claims(received.stanza))
    const arrived = await scheme?.decrypt(received)
    switch (arrived?.kind) {
      case 'message':
        console.log(`${name}: ${arrived.chat} says ${arrived.content.map(text)}, by ${arrived.protocol}`)
        return scheme?.settle([arrived.ref]) // it is saved
      case 'plain':
        return console.log(`${name}: ${arrived.unexpected ? 'beware, ' : ''}in plain text`)
      case 'unreadable':
        return console.log(`${name}: cannot read it: ${arrived.code}`)
      case 'silent': // nothing to show
    }
  }
  connection.subscribe({
    stanza(raw) {
      reading = reading.then(() => read(raw))
    },
  })

  /** By the first scheme that can. Never in plain text. */
  async function say(to: BareJid, words: string): Promise<void> {
    for (const [i, scheme] of schemes.entries()) {
      const sent = await scheme.send(stanza('message', { to, type: 'chat' }, stanza('body', {}, words)), [to])
      if (sent.kind === 'encrypted') break
      console.log(`${name}: scheme ${i + 1} refuses: ${sent.code}`)
    }
    await service.settle()
    await reading
  }

  presence({ features: [...features, ...oxFeatures, ...(otr?.features ?? [])] })
  for (const scheme of schemes) await scheme.start()
  return { account, say, otr }
}

service.subscribeBoth('romeo', 'juliet')
const romeo = await client('romeo', 'orchard', ['omemo', 'ox', 'otr'])
const juliet = await client('juliet', 'balcony', ['omemo', 'otr'])
const tybalt = await client('tybalt', 'vault', ['ox'])
const mercutio = await client('mercutio', 'street', ['otr'])
await service.settle()

await romeo.say(juliet.account, 'But, soft!')
await juliet.say(romeo.account, 'Ay me!')

await romeo.say(tybalt.account, 'Good morrow.') // he has a key of OpenPGP, and no device of OMEMO

await romeo.say(mercutio.account, 'Where are you?') // he has neither, and there is no session of OTR yet
await romeo.otr?.query(mercutio.account)
await service.settle()
await romeo.say(mercutio.account, 'Where are you?')
