/** Our clients that speak OTR: the façade on a session through a host library, carbons on, available. */
import {
  type Decrypted,
  type Encrypted,
  featuresOf,
  Otr,
  type OtrEvent,
  type OtrOptions,
} from '@xmpp-e2e/otr'
import { memoryStore, type Store } from '@xmpp-e2e/store'
import { blindTrustBeforeVerification } from '@xmpp-e2e/trust'
import {
  type BareJid,
  bareJid,
  type Connection,
  child,
  type Element,
  element,
  ns,
  type Received,
  receive,
  text,
} from '@xmpp-e2e/xml'
import { clock, random } from '@xmpp-e2e/xml/system'
import { announce } from './announce.ts'
import { connectHost, type Host, type HostName } from './hosts.ts'
import type { Account, Server } from './server.ts'

export interface OtrClientOptions extends Pick<Partial<OtrOptions>, 'policy' | 'otr' | 'otrFor' | 'clock'> {
  /** One in memory unless given. */
  readonly store?: Store
  /** xmpp.js over TCP unless given. */
  readonly host?: HostName
}

/** A message, and what it is to the application. */
export interface Came {
  readonly decrypted: Decrypted
  readonly received: Received
}

type Kind<K extends OtrEvent['kind']> = Extract<OtrEvent, { readonly kind: K }>

const client = ns('jabber:client')

/** Milliseconds, until what is waited for is missed. */
const PATIENCE = 45_000

export class OtrClient {
  readonly account: BareJid
  readonly otr: Otr
  readonly store: Store
  /** Everything that the façade has told, and what came in, in order. */
  readonly events: OtrEvent[] = []
  readonly came: Came[] = []
  readonly #host: Host
  readonly #queries = new Map<string, BareJid>()
  readonly #looks = new Set<() => void>()
  readonly #stop: () => void
  #isClosed = false
  #isRead = 0

  private constructor(account: BareJid, otr: Otr, host: Host, store: Store) {
    this.account = account
    this.otr = otr
    this.store = store
    this.#host = host
    otr.on((event) => {
      this.events.push(event)
      this.#look()
    })
    this.#stop = host.connection.subscribe({ stanza: (stanza) => this.#take(stanza) })
  }

  /** Connects, turns carbons on and becomes available, in this order. */
  static async open(
    server: Server,
    { jid, password }: Account,
    { store = memoryStore(), host: name = 'xmppjs-tcp', ...given }: OtrClientOptions = {},
  ): Promise<OtrClient> {
    const host = await connectHost(name, server, { jid, password })
    const account = bareJid.decode(jid) as BareJid
    const { connection } = host
    const policy = given.policy ?? blindTrustBeforeVerification
    const otr = await Otr.open({ account, connection, clock, random, store, ...given, policy })
    const made = new OtrClient(account, otr, host, store)
    await otr.start()
    await connection.request(client('iq', { type: 'set' }, element('urn:xmpp:carbons:2', 'enable')))
    await made.announce()
    return made
  }

  get connection(): Connection {
    return this.#host.connection
  }

  get jid(): string {
    return this.#host.connection.jid ?? ''
  }

  /** How the stream breaks and comes back. */
  get host(): Pick<Host, 'drop' | 'resume' | 'reconnect' | 'states'> {
    return this.#host
  }

  /** Becomes available, again after a new stream; resolves when the server knows, and keeps nothing for later. */
  async announce(): Promise<void> {
    await announce(this.connection, featuresOf([3]))
    await this.connection.request(
      client('iq', { type: 'get' }, element('http://jabber.org/protocol/disco#info', 'query')),
    )
  }

  /** @throws {Error} when it is refused */
  async send(to: string, body: string, more: readonly Element[] = []): Promise<Sent> {
    const sent = await this.trySend(to, body, more)
    if (sent.kind !== 'encrypted') throw new Error(`refused: ${sent.code}`)
    return sent
  }

  async trySend(to: string, body: string, more: readonly Element[] = []): Promise<Encrypted> {
    const [contact = ''] = to.split('/')
    const attrs = { to, type: 'chat', id: body.slice(0, 40) }
    const message = client('message', attrs, client('body', {}, body), more)
    return this.otr.send(message, [bareJid.decode(contact) as BareJid])
  }

  /** The oldest that has something to show and was not asked for. @throws {Error} when none comes */
  async next(): Promise<Came> {
    const find = () =>
      this.came.findIndex(({ decrypted }, i) => i >= this.#isRead && decrypted.kind !== 'silent')
    await this.until('a message', () => find() >= 0)
    this.#isRead = find() + 1
    return this.came[this.#isRead - 1] as Came
  }

  /** The next event of a kind that was not there before the `seen` first ones. */
  async event<K extends OtrEvent['kind']>(
    kind: K,
    is: (event: Kind<K>) => boolean = () => true,
    seen = 0,
  ): Promise<Kind<K>> {
    const find = () =>
      this.events.slice(seen).find((event): event is Kind<K> => event.kind === kind && is(event as Kind<K>))
    await this.until(`an event: ${kind}`, () => find() !== undefined)
    return find() as Kind<K>
  }

  /** Waits for something that is looked at with each message and event. @throws {Error} when it does not come */
  async until(what: string, is: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#looks.delete(look)
        const seen = JSON.stringify(this.events.map(({ kind }) => kind))
        reject(new Error(`${this.account}: waited in vain for ${what}; events: ${seen}`))
      }, PATIENCE)
      const look = () => {
        if (!is()) return
        clearTimeout(timer)
        this.#looks.delete(look)
        resolve()
      }
      this.#looks.add(look)
      look()
    })
  }

  /** The states of sessions with a contact. */
  states(contact: BareJid): readonly string[] {
    return this.otr.sessions(contact).map(({ session }) => session.state)
  }

  /** Asks the archive for all that it has; what it gives passes as everything does. */
  async readArchive(): Promise<void> {
    const queryid = `all-${this.#queries.size}`
    this.#queries.set(queryid, this.account)
    const iq = client(
      'iq',
      { type: 'set', to: this.account },
      element('urn:xmpp:mam:2', 'query', { queryid }),
    )
    await this.connection.request(iq)
  }

  /** Ends the session. `silently`: without a word to anybody, as a program that is killed. */
  async close({ silently = false }: { readonly silently?: boolean } = {}): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stop()
    if (silently) await this.#host.close()
    await this.otr.close()
    await this.#host.close()
  }

  #take(stanza: Element): void {
    if (!this.otr.claims(stanza) && child(stanza, 'received', 'urn:xmpp:carbons:2') === undefined) {
      const isCopy = child(stanza, 'sent', 'urn:xmpp:carbons:2') ?? child(stanza, 'result', 'urn:xmpp:mam:2')
      if (isCopy === undefined) return
    }
    const received = receive(stanza, { account: this.account, queries: this.#queries })
    if (received.kind !== 'message') return
    const decrypting = this.otr.decrypt(received)
    void decrypting.then(
      (decrypted) => {
        this.came.push({ decrypted, received })
        this.#look()
      },
      (error: unknown) => {
        if (!this.#isClosed) throw error
      },
    )
  }

  #look(): void {
    for (const look of [...this.#looks]) look()
  }
}

export type Sent = Extract<Encrypted, { readonly kind: 'encrypted' }>

/** What a test compares: the text, who sent it and how it came; of what is not readable, why. */
export function summary({ decrypted, received }: Came): Readonly<Record<string, unknown>> {
  const { channel } = received
  switch (decrypted.kind) {
    case 'message': {
      const [body] = decrypted.content
      const { sender, key, warnings } = decrypted
      return { body: body && text(body), from: sender.jid, level: key.level, warnings, channel }
    }
    case 'plain': {
      const body = child(decrypted.stanza, 'body')
      return { plain: body && text(body), unexpected: decrypted.unexpected, channel }
    }
    case 'silent':
      return { silent: decrypted.why, channel }
    case 'unreadable':
      return { unreadable: decrypted.code, channel }
  }
}
