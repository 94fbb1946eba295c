/** Our devices as a client has them: the façade on a session through a host library, carbons on, in rooms if told. */
import {
  type Arrived,
  type Encrypted,
  features,
  Omemo,
  type OmemoEvent,
  type OmemoOptions,
} from '@xmpp-e2e/omemo'
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
  text,
} from '@xmpp-e2e/xml'
import { clock, random } from '@xmpp-e2e/xml/system'
import { announce, presence } from './announce.ts'
import { arrival } from './arrival.ts'
import { connectHost, type Host, type HostName } from './hosts.ts'
import type { Account, Server } from './server.ts'

export interface FacadeOptions extends Pick<Partial<OmemoOptions>, 'namespaces' | 'policy' | 'label'> {
  /** One in memory unless given. */
  readonly store?: Store
  /** xmpp.js over TCP unless given. */
  readonly host?: HostName
  /** Done before presence is sent, when the server has not yet delivered anything. */
  before?(facade: Facade): Promise<void>
}

/** A message, or what was not readable, and how it came. */
export interface Came {
  readonly arrived: Arrived
  readonly received: Received | undefined
}

const client = ns('jabber:client')
const MUC = ns('http://jabber.org/protocol/muc')
const mam = ns('urn:xmpp:mam:2')
const rsm = ns('http://jabber.org/protocol/rsm')
const CARBONS = 'urn:xmpp:carbons:2'

/** Milliseconds, until what is waited for is missed. */
const PATIENCE = 45_000

export class Facade {
  readonly account: BareJid
  readonly omemo: Omemo
  readonly events: OmemoEvent[] = []
  readonly store: Store
  readonly #host: Host
  readonly #occupants: Occupants
  readonly #queries = new Map<string, BareJid>()
  readonly #came: Came[] = []
  readonly #waiting = new Set<() => void>()
  #isClosed = false

  private constructor(account: BareJid, omemo: Omemo, host: Host, store: Store) {
    this.account = account
    this.omemo = omemo
    this.store = store
    this.#host = host
    this.#occupants = occupants(host.connection)
    omemo.on((event) => this.events.push(event))
    const { occupant, joined } = this.#occupants
    omemo.listen(
      (arrived, received) => {
        this.#came.push({ arrived, received })
        for (const wake of [...this.#waiting]) wake()
      },
      { occupant, joined, queries: this.#queries },
    )
  }

  /** Connects, publishes, turns carbons on and becomes available, in this order. */
  static async open(
    server: Server,
    { jid, password }: Account,
    options: FacadeOptions = {},
  ): Promise<Facade> {
    const { store = memoryStore(), host: name = 'xmppjs-tcp', before, ...given } = options
    const host = await connectHost(name, server, { jid, password })
    const account = bareJid.decode(jid) as BareJid
    const { connection } = host
    const policy = given.policy ?? blindTrustBeforeVerification
    const omemo = await Omemo.open({ account, connection, clock, random, store, ...given, policy })
    const facade = new Facade(account, omemo, host, store)
    await omemo.start()
    await connection.request(client('iq', { type: 'set' }, element(CARBONS, 'enable')))
    await before?.(facade)
    await announce(connection, features)
    return facade
  }

  get connection(): Connection {
    return this.#host.connection
  }

  get deviceId(): number {
    return this.omemo.deviceId
  }

  /** Sends a chat message, or one to a room if that is where its members are. @throws {Error} when it is refused */
  async send(to: BareJid, body: string, members?: readonly BareJid[]): Promise<Sent> {
    const type = members ? 'groupchat' : 'chat'
    const sent = await this.omemo.send(client('message', { to, type, id: body }, client('body', {}, body)), [
      ...(members ?? [to]),
    ])
    if (sent.kind !== 'encrypted') throw new Error(`refused: ${JSON.stringify(sent)}`)
    return sent
  }

  /** The oldest that came and was not asked for. @throws {Error} when none comes */
  async next(): Promise<Came> {
    await this.until('a message', () => this.#came.length > 0)
    return this.#came.shift() as Came
  }

  /** Whatever came and was not asked for. */
  take(): readonly Came[] {
    return this.#came.splice(0)
  }

  /** Waits for something that is looked at with each message and event. @throws {Error} when it does not come */
  async until(what: string, is: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const stop = this.omemo.on(() => look())
      const timer = setTimeout(
        () => end(() => reject(new Error(`${this.account}: waited in vain for ${what}`))),
        PATIENCE,
      )
      const end = (settle: () => void) => {
        clearTimeout(timer)
        stop()
        this.#waiting.delete(look)
        settle()
      }
      const look = () => {
        if (is()) end(resolve)
      }
      this.#waiting.add(look)
      look()
    })
  }

  /** Enters a room, which is made if there is none. */
  async join(room: BareJid, nick: string): Promise<void> {
    this.#occupants.enter(room)
    const subject = arrival(
      this.connection,
      (el) =>
        el.name === 'message' &&
        el.attrs.from?.startsWith(room) === true &&
        child(el, 'subject') !== undefined,
    )
    await this.connection.send(presence({ to: `${room}/${nick}` }, MUC('x')))
    await subject
  }

  /** Reads an archive page by page, the newest page first, as a client that fills its window does. */
  async readBackwards(archive: BareJid, page: number): Promise<number> {
    let before: string | undefined = ''
    let pages = 0
    while (before !== undefined) {
      const queryid = `back-${++pages}`
      this.#queries.set(queryid, archive)
      const limit = rsm('set', {}, [rsm('max', {}, `${page}`), rsm('before', {}, before)])
      const iq = client('iq', { type: 'set', to: archive }, mam('query', { queryid }, limit))
      const fin = child(await this.connection.request(iq), 'fin', 'urn:xmpp:mam:2') as Element
      const set = child(fin, 'set', 'http://jabber.org/protocol/rsm')
      const first = set && child(set, 'first')
      before = fin.attrs.complete === 'true' || !first ? undefined : text(first)
    }
    return pages
  }

  /** Ends the session, and leaves the store to who has opened it. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#occupants.close()
    // What came is settled a moment later, unless it is closed before.
    while ((await this.omemo.unsettled()).length > 0) await new Promise(setImmediate)
    await this.omemo.close()
    await this.#host.close()
  }
}

export type Sent = Extract<Encrypted, { readonly kind: 'encrypted' }>

/** The body of what came. */
export function bodyOf({ arrived }: Came): string | undefined {
  if (arrived.kind !== 'message') return undefined
  const body = arrived.content.find(({ name, ns: of }) => name === 'body' && of === 'jabber:client')
  return body && text(body)
}

/** What a test compares: the text, the namespace, who sent it and how it came; of what is not readable, why. */
export function summary(came: Came): Readonly<Record<string, unknown>> {
  const { arrived, received } = came
  const channel = received?.channel
  if (arrived.kind === 'unreadable') return { unreadable: arrived.code, channel }
  const { protocol, sender, own, chat } = arrived
  return { body: bodyOf(came), protocol, from: sender.jid, device: sender.id, chat, own, channel }
}
