/**
 * A client of `python-omemo/client.py`: devices of python-omemo on real streams, those of slixmpp. One process holds
 * many; each connects to a server as an account of it, publishes there, and reads whatever comes in by itself.
 *
 * @example
 * const python = await Slixmpp.start()
 * const bob = await python.connect(server, server.account('bob'), { namespaces: [OMEMO_2] })
 * await bob.send('alice@localhost', 'hello')
 * const { body } = await bob.message()
 * await python.stop()
 */
import { fileURLToPath } from 'node:url'
import { JsonLines } from './json-lines.ts'
import type { Namespace, PythonDevice } from './python-omemo.ts'
import type { Account, Server } from './server.ts'

export interface SlixmppOptions {
  /** Both unless given, best first. */
  readonly namespaces?: readonly [Namespace, ...Namespace[]]
  readonly resource?: string
  readonly preKeys?: number
  readonly trust?: 'blind' | 'undecided'
}

/** A message as it was read. */
export interface SlixmppMessage {
  readonly kind: 'message' | 'empty' | 'plain' | 'own' | 'other' | 'failed'
  readonly from: string
  /** The bare JID that it was taken to be from; `null` in a room where nobody is known by that name. */
  readonly sender: string | null
  readonly to: string | null
  readonly type: string | null
  readonly id: string | null
  readonly via: 'live' | 'carbon-sent' | 'carbon-received' | 'archive'
  readonly namespace?: Namespace
  readonly body?: string | null
  readonly deviceId?: number
  readonly trust?: string
  /** Of what failed: the class of the exception, and what it says. */
  readonly error?: string
  readonly message?: string
}

export interface SlixmppSent {
  readonly namespaces: readonly Namespace[]
  readonly errors: readonly {
    readonly namespace: Namespace
    readonly jid: string
    readonly deviceId: number
    readonly error: string
    readonly message: string
  }[]
}

interface WireDevice {
  readonly device_id: number
  readonly identity_key: string
  readonly namespaces: readonly Namespace[]
  readonly active: Readonly<Partial<Record<Namespace, boolean>>>
  readonly trust: string
  readonly label: string | null
}

type WireMessage = Omit<SlixmppMessage, 'deviceId'> & { readonly device_id?: number }

interface WireSent {
  readonly sent: readonly Namespace[]
  readonly errors: readonly (Omit<SlixmppSent['errors'][number], 'deviceId'> & {
    readonly device_id: number
  })[]
}

const DRIVER = fileURLToPath(new URL('../python-omemo/client.py', import.meta.url))

/** In milliseconds, until what is waited for is missed; nothing waits for it to pass. */
const PATIENCE = 45_000

/** One running process. */
export class Slixmpp {
  readonly #process: JsonLines
  #devices = 0

  private constructor(process: JsonLines) {
    this.#process = process
  }

  /** @throws {PeerError} `exited`: the driver could not start; the message holds its stderr. */
  static async start(): Promise<Slixmpp> {
    return new Slixmpp(await JsonLines.start('/usr/bin/python3', ['-E', '-s', '-B', DRIVER]))
  }

  stop(): Promise<void> {
    return this.#process.stop()
  }

  /** A new device of the account, connected and published. */
  async connect(server: Server, account: Account, options: SlixmppOptions = {}): Promise<SlixmppDevice> {
    const name = `device-${++this.#devices}`
    const { resource = name, namespaces, preKeys, trust } = options
    const where = {
      jid: `${account.jid}/${resource}`,
      password: account.password,
      host: '127.0.0.1',
      port: server.ports.c2s,
      certificate: server.ca,
      namespaces,
      prekeys: preKeys,
      trust,
    }
    const made = await this.#process.request<Identity>('connect', { account: name, ...where })
    return new SlixmppDevice(this.#process, name, where, made)
  }
}

interface Identity {
  readonly device_id: number
  readonly identity_key: string
  readonly jid: string
}

/** One device. Its methods reject with a `PeerError` that has the exception's class. */
export class SlixmppDevice {
  /** The bare JID. */
  readonly jid: string
  readonly deviceId: number
  /** Ed25519 form, 32 bytes. */
  readonly identityKey: Uint8Array
  readonly #process: JsonLines
  readonly #name: string
  readonly #where: { readonly jid: string }

  constructor(process: JsonLines, name: string, where: { readonly jid: string }, made: Identity) {
    this.#process = process
    this.#name = name
    this.#where = where
    this.jid = where.jid.split('/')[0] ?? ''
    this.deviceId = made.device_id
    this.identityKey = Uint8Array.from(Buffer.from(made.identity_key, 'base64'))
  }

  /** Ends the stream; what it knows stays. */
  async disconnect(): Promise<void> {
    await this.#request('disconnect', {})
  }

  /** Connects again as the same device. */
  async reconnect(): Promise<void> {
    await this.#request('connect', this.#where)
  }

  /**
   * Encrypts for all devices of the recipients and its own other ones, and sends one stanza.
   *
   * @param to - a contact, or a room if there are `recipients`
   */
  async send(
    to: string,
    text: string,
    options: { readonly recipients?: readonly string[]; readonly namespaces?: readonly Namespace[] } = {},
  ): Promise<SlixmppSent> {
    const { recipients, namespaces } = options
    const kind = recipients ? 'groupchat' : 'chat'
    const { sent, errors } = await this.#request<WireSent>('send', { to, text, kind, recipients, namespaces })
    return {
      namespaces: sent,
      errors: errors.map(({ device_id, ...rest }) => ({ ...rest, deviceId: device_id })),
    }
  }

  /** The next message that it could read, or could not; empty ones, its own and plain text are passed over. */
  message(): Promise<SlixmppMessage> {
    return this.next(['message', 'failed'])
  }

  /** The oldest of these kinds that nobody has taken yet. @throws {PeerError} when none comes; it says what there is */
  async next(kinds: readonly SlixmppMessage['kind'][], timeout = PATIENCE): Promise<SlixmppMessage> {
    const { device_id, ...rest } = await this.#request<WireMessage>('next', { kinds, timeout })
    return { ...rest, ...(device_id !== undefined && { deviceId: device_id }) }
  }

  /** Reads the account's archive, or a room's, after an id; returns the last id. */
  async archive(options: { readonly room?: string; readonly after?: string; readonly page?: number } = {}) {
    return (await this.#request<{ last: string | null }>('archive', options)).last ?? undefined
  }

  async devices(jid: string, refresh = false): Promise<readonly PythonDevice[]> {
    const { devices } = await this.#request<{ devices: readonly WireDevice[] }>('devices', { jid, refresh })
    return devices.map(({ device_id, identity_key, label, ...rest }) => ({
      ...rest,
      deviceId: device_id,
      identityKey: Uint8Array.from(Buffer.from(identity_key, 'base64')),
      label: label ?? undefined,
    }))
  }

  async trust(jid: string, deviceId: number, level: 'trusted' | 'undecided' | 'distrusted'): Promise<void> {
    await this.#request('trust', { jid, device_id: deviceId, level })
  }

  /** Resolves when everybody's presence has come. */
  async join(room: string, nick: string): Promise<void> {
    await this.#request('join', { room, nick })
  }

  #request<T>(op: string, fields: Readonly<Record<string, unknown>>): Promise<T> {
    return this.#process.request<T>(op, { account: this.#name, ...fields })
  }
}
