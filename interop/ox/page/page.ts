/// <reference lib="dom" />
/** Two accounts on the service in memory, all of it in one page, for `test/ox-chromium.test.ts`. */
import { features, Ox } from '@xmpp-e2e/ox'
import { memoryStore } from '@xmpp-e2e/store'
import { testService } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification as policy } from '@xmpp-e2e/trust'
import { element, receive, text } from '@xmpp-e2e/xml'
import { clock, random } from '@xmpp-e2e/xml/system'

/** What became of a message. */
export interface Conversation {
  readonly body: string | undefined
  readonly authenticated: boolean
  readonly ciphertext: string
  /** Of the sender, and as the recipient knows it. */
  readonly fingerprints: readonly (string | undefined)[]
}

const service = testService({ now: Date.now() })

async function during<T>(work: Promise<T>): Promise<T> {
  let isOver = false
  const over = () => {
    isOver = true
  }
  work.then(over, over)
  while (!isOver) {
    await service.settle()
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return work
}

async function person(name: string) {
  const account = service.account(name)
  const client = service.connect(name)
  const { connection } = client
  const ox = await Ox.open({ account, connection, clock, random, policy, store: memoryStore() })
  client.presence({ features: [...features] })
  await ox.generate()
  await during(ox.start())
  return { account, connection, ox }
}

const oxPage = {
  async converse(said: string): Promise<Conversation> {
    const [romeo, juliet] = [await person('romeo'), await person('juliet')]
    const body = element('jabber:client', 'body', {}, said)
    const message = element('jabber:client', 'message', { to: juliet.account, type: 'chat' }, body)
    const sent = await during(romeo.ox.encrypt(message, [juliet.account]))
    if (sent.kind !== 'encrypted') throw new Error(sent.code)
    const [{ name, ns, attrs, children }] = sent.stanzas
    const stanza = element(ns, name, { ...attrs, from: romeo.connection.jid }, children)
    const received = receive(stanza, { account: juliet.account })
    if (received.kind !== 'message') throw new Error(received.kind)
    const decrypted = await during(juliet.ox.decrypt(received))
    if (decrypted.kind !== 'message') throw new Error(JSON.stringify(decrypted))
    const read = decrypted.content.find((el) => el.name === 'body')
    const openpgp = children.find((node) => typeof node === 'object' && node.name === 'openpgp')
    return {
      body: read && text(read),
      authenticated: decrypted.authenticated,
      ciphertext: typeof openpgp === 'object' ? text(openpgp) : '',
      fingerprints: [romeo.ox.fingerprint, decrypted.key?.fingerprint],
    }
  },
}

export type OxPage = typeof oxPage

Object.assign(globalThis, { oxPage })
