/** Our clients that speak OpenPGP: the façade on a session through a host library, carbons on, in rooms if told. */
import { type Decrypted, type Encrypted, features, Ox, type OxEvent } from '@xmpp-e2e/ox'
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
  type Occupants,
  occupants,
  type Received,
  receive,
  text,
} from '@xmpp-e2e/xml'
import { clock, random } from '@xmpp-e2e/xml/system'
import { announce, presence } from '../announce.ts'
import { arrival } from '../arrival.ts'
import { connectHost, type Host } from '../hosts.ts'
import type { Account, Server } from '../server.ts'
import { assertEncrypted } from './scene.ts'

export interface OxClientOptions {
  /** One in memory unless given. */
  readonly store?: Store
  /** Makes a key unless told otherwise. */
  readonly hasKey?: boolean
}

/** A message, and what it is to the application. */
export interface Came {
  readonly decrypted: Decrypted
  readonly received: Received
}

const client = ns('jabber:client')

/** Milliseconds, until what is waited for is missed. */
const PATIENCE = 45_000

export class OxClient {
  readonly account: BareJid
  readonly ox: Ox
  readonly store: Store
  readonly events: OxEvent[] = []
  /** What came and was not taken. */
  readonly #came: Came[] = []
  readonly #host: Host
  readonly #occupants: Occupants
  readonly #queries = new Map<string, BareJid>()
  readonly #looks = new Set<() => void>()
  readonly #stop: () => void
  #decrypting: Promise<void> = Promise.resolve()
  #isClosed = false

  private constructor(account: BareJid, ox: Ox, host: Host, store: Store) {
    this.account = account
    this.ox = ox
    this.store = store
    this.#host = host
    this.#occupants = occupants(host.connection)
    ox.on((event) => {
      this.events.push(event)
      this.#look()
    })
    this.#stop = host.connection.subscribe({ stanza: (stanza) => this.#take(stanza) })
  }

  /** Connects, makes a key where there is none, publishes it, turns carbons on and becomes available, in this order. */
  static async open(
    server: Server,
    { jid, password }: Account,
    { store = memoryStore(), hasKey = true }: OxClientOptions = {},
  ): Promise<OxClient> {
    const host = await connectHost('xmppjs-tcp', server, { jid, password })
    const account = bareJid.decode(jid) as BareJid
    const { connection } = host
    const policy = blindTrustBeforeVerification
    const ox = await Ox.open({ account, connection, clock, random, store, policy })
    const made = new OxClient(account, ox, host, store)
    if (hasKey && ox.fingerprint === undefined) await ox.generate()
    await ox.start()
    await connection.request(client('iq', { type: 'set' }, element('urn:xmpp:carbons:2', 'enable')))
    await announce(connection, features)
    return made
  }

  get connection(): Connection {
    return this.#host.connection
  }

  /** Sends a chat message, or one to a room, to whoever is in it. @throws {Error} when it is refused */
  async send(to: BareJid, body: string, { room = false } = {}): Promise<Encrypted> {
    const message = client(
      'message',
      { to, type: room ? 'groupchat' : 'chat', id: body },
      client('body', {}, body),
    )
    const sent = await this.ox.send(message, room ? [] : [to])
    assertEncrypted(sent)
    return sent
  }

  /** The oldest that came and was not asked for. @throws {Error} when none comes */
  async next(): Promise<Came> {
    await this.until('a message', () => this.#came.length > 0)
    return this.#came.shift() as Came
  }

  /** Waits for something that is looked at with each message and event. @throws {Error} when it does not come */
  async until(what: string, is: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#looks.delete(look)
        reject(
          new Error(`${this.account}: waited in vain for ${what}; events: ${JSON.stringify(this.events)}`),
        )
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

  /** Enters a room, which is there. */
  async join(room: BareJid, nick: string): Promise<void> {
    this.#occupants.enter(room)
    const subject = arrival(
      this.connection,
      (el) =>
        el.name === 'message' &&
        el.attrs.from?.startsWith(room) === true &&
        child(el, 'subject') !== undefined,
    )
    await this.connection.send(
      presence({ to: `${room}/${nick}` }, element('http://jabber.org/protocol/muc', 'x')),
    )
    await subject
  }

  /** Asks the archive for all that it has; what it gives passes as everything does. */
  async readArchive(): Promise<void> {
    const queryid = `all-${this.#queries.size}`
    this.#queries.set(queryid, this.account)
    const query = element('urn:xmpp:mam:2', 'query', { queryid })
    await this.connection.request(client('iq', { type: 'set', to: this.account }, query))
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stop()
    this.#occupants.close()
    await this.#decrypting
    await this.ox.close()
    await this.#host.close()
  }

  #take(stanza: Element): void {
    const { account } = this
    const options = { account, queries: this.#queries, occupant: this.#occupants.occupant }
    const received = receive(stanza, options)
    if (received.kind !== 'message' || !this.ox.claims(received.stanza)) return
    // In order, and settled at once: what comes twice is a duplicate.
    this.#decrypting = this.#decrypting.then(async () => {
      const decrypted = await this.ox.decrypt(received)
      if (decrypted.kind === 'message') await this.ox.settle([decrypted.ref])
      this.#came.push({ decrypted, received })
      this.#look()
    })
  }

  #look(): void {
    for (const look of [...this.#looks]) look()
  }
}

/** What a test compares: the text, who sent it and how it came; of what is not readable, why. */
export function summary({ decrypted, received }: Came): Readonly<Record<string, unknown>> {
  const { channel } = received
  switch (decrypted.kind) {
    case 'message': {
      const body = decrypted.content.find(({ name }) => name === 'body')
      const { own, chat, key, warnings } = decrypted
      return { body: body && text(body), chat, own, by: key?.fingerprint, warnings, channel }
    }
    case 'silent':
      return { silent: decrypted.why, channel }
    case 'unreadable':
      return { unreadable: decrypted.code, channel }
  }
}
