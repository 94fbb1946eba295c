/**
 * A client of `python-omemo/peer.py`: python-omemo as a peer, both wire versions of XEP-0384.
 *
 * One process serves many accounts and one PEP service that all of them see. Requests may overlap; the
 * process answers them one after another, in the order in which they were made. The figures: an account
 * takes about 10 ms with the default of 25 prekeys in each namespace and 5 ms with five, a first message and
 * its answer 20 to 35 ms, a further message 6 ms to encrypt and decrypt.
 *
 * @example
 * const python = await PythonOmemo.start()
 * const peer = await python.account({ jid: 'peer@example.org', identitySign: 1 })
 * await python.put({ jid: 'me@example.org', devices: [list], bundles: [{ deviceId, xml: bundle }] })
 * const { messages } = await peer.encrypt({ to: 'me@example.org', namespace: OMEMO_2, text: 'hello' })
 * await python.stop()
 */
import { fileURLToPath } from 'node:url'
import { JsonLines, PeerError } from './json-lines.ts'

export const OMEMO_2 = 'urn:xmpp:omemo:2'
export const AXOLOTL = 'eu.siacs.conversations.axolotl'
export type Namespace = typeof OMEMO_2 | typeof AXOLOTL
export type Bytes = ReturnType<typeof Uint8Array.of>

export interface AccountOptions {
  readonly jid: string
  /** Drawn by python-omemo unless given. */
  readonly deviceId?: number
  /** The sign bit of its Ed25519 identity key, which XEP-0384 leaves to chance; random unless given. */
  readonly identitySign?: 0 | 1
  /** An Ed25519 seed, or a clamped Curve25519 scalar, of 32 bytes, instead of a new key. */
  readonly identity?: { readonly seed: Uint8Array } | { readonly private: Uint8Array }
  /**
   * How many prekeys it keeps published in each namespace; 25 unless given. Each is good for one session, so
   * two initiators that draw from one bundle at the same time may draw the same: 1 in `preKeys`.
   */
  readonly preKeys?: number
  /** `undecided` makes `encrypt` refuse until `trust` was called. */
  readonly trust?: 'blind' | 'undecided'
  readonly namespaces?: readonly Namespace[]
}

/** The XML that a device publishes in one namespace. */
export interface Published {
  readonly devices: string
  readonly bundle: string
}

export interface PythonDevice {
  readonly deviceId: number
  /** Ed25519 form, 32 bytes. */
  readonly identityKey: Bytes
  readonly namespaces: readonly Namespace[]
  readonly active: Readonly<Partial<Record<Namespace, boolean>>>
  readonly trust: string
  readonly label: string | undefined
}

/** An `<encrypted/>` element. */
export interface Encrypted {
  readonly namespace: Namespace
  readonly xml: string
}

export interface EncryptionFailure {
  readonly namespace: Namespace
  readonly jid: string
  readonly deviceId: number
  /** The class of the exception. */
  readonly error: string
  readonly message: string
}

export interface Sender {
  readonly deviceId: number
  readonly identityKey: Bytes
  readonly trust: string
}

export type PythonDecrypted =
  /** `bytes` is what was encrypted; `body` the text of it (axolotl) or the body in the SCE envelope. */
  | (Sender & { readonly kind: 'message'; readonly bytes: Bytes; readonly body: string | undefined })
  /** No payload. `key` is the transported key: 16 bytes in axolotl, zeros in omemo:2. */
  | (Sender & { readonly kind: 'empty'; readonly key: Bytes })

export type PythonSession =
  | { readonly exists: false }
  | {
      readonly exists: true
      readonly initiation: 'active' | 'passive'
      readonly confirmed: boolean
      readonly sending: number
      readonly receiving: number | null
    }

interface WireAccount {
  readonly device_id: number
  readonly identity_key: string
}
type WireDecrypted = WireAccount & {
  readonly trust: string
  readonly kind: 'message' | 'empty'
  readonly bytes?: string
  readonly key?: string
  readonly body?: string | null
}
interface WireDevice extends WireAccount {
  readonly namespaces: readonly Namespace[]
  readonly active: Readonly<Partial<Record<Namespace, boolean>>>
  readonly trust: string
  readonly label: string | null
}
type WireFailure = Omit<EncryptionFailure, 'deviceId'> & { readonly device_id: number }

const DRIVER = fileURLToPath(new URL('../python-omemo/peer.py', import.meta.url))

const encode = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const decode = (text: string): Bytes => Uint8Array.from(Buffer.from(text, 'base64'))

/** One running process of the driver. */
export class PythonOmemo {
  readonly #process: JsonLines
  #accounts = 0

  private constructor(process: JsonLines) {
    this.#process = process
  }

  /**
   * Starts the process with Debian's own Python, which is the one that has the libraries.
   * @throws {PeerError} `exited`: the driver could not start; the message holds its stderr.
   */
  static async start(): Promise<PythonOmemo> {
    return new PythonOmemo(await JsonLines.start('/usr/bin/python3', ['-E', '-s', '-B', DRIVER]))
  }

  /** Ends the process. Accounts of it are unusable afterwards. */
  stop(): Promise<void> {
    return this.#process.stop()
  }

  versions(): Promise<Readonly<Record<string, string>>> {
    return this.#process.request('versions', {})
  }

  /** Makes a device, and publishes its list and bundles to the process's PEP service. */
  async account(options: AccountOptions): Promise<PythonAccount> {
    const { identity } = options
    const name = this.#name()
    const made: WireAccount = await this.#process.request('init', {
      account: name,
      jid: options.jid,
      device_id: options.deviceId,
      ik_sign: options.identitySign,
      ...(identity && 'seed' in identity && { seed: encode(identity.seed) }),
      ...(identity && 'private' in identity && { private: encode(identity.private) }),
      prekeys: options.preKeys,
      trust: options.trust,
      namespaces: options.namespaces,
    })
    return new PythonAccount(this.#process, name, options.jid, made.device_id, decode(made.identity_key))
  }

  /** Makes a device again from what `dump` gave, in the state of that moment. */
  async restore(state: string): Promise<PythonAccount> {
    const name = this.#name()
    const made: WireAccount & { jid: string } = await this.#process.request('restore', {
      account: name,
      state,
    })
    return new PythonAccount(this.#process, name, made.jid, made.device_id, decode(made.identity_key))
  }

  /**
   * Publishes somebody else's device lists and bundles; the namespace is that of each root. All or nothing.
   * Accounts learn of a changed list before their next operation with that JID.
   */
  async put(item: {
    readonly jid: string
    readonly devices?: readonly string[]
    readonly bundles?: readonly { readonly deviceId: number; readonly xml: string }[]
  }): Promise<void> {
    const bundles = item.bundles?.map(({ deviceId, xml }) => ({ device_id: deviceId, xml }))
    await this.#process.request('put', { jid: item.jid, devices: item.devices, bundles })
  }

  /** What the PEP service holds: the device list, and bundles by device id. */
  async published(
    jid: string,
    namespace: Namespace,
  ): Promise<{ readonly devices: string; readonly bundles: ReadonlyMap<number, string> }> {
    const held: { devices: string; bundles: Record<string, string> } = await this.#process.request('pep', {
      jid,
      namespace,
    })
    const bundles = Object.entries(held.bundles).map(([id, xml]) => [Number(id), xml] as const)
    return { devices: held.devices, bundles: new Map(bundles) }
  }

  #name(): string {
    this.#accounts += 1
    return `account-${this.#accounts}`
  }
}

/** One device of python-omemo. Every method rejects with a {@link PeerError} that has the exception's class. */
export class PythonAccount {
  readonly jid: string
  readonly deviceId: number
  /** Ed25519 form, 32 bytes. */
  readonly identityKey: Bytes
  readonly #process: JsonLines
  readonly #name: string

  constructor(process: JsonLines, name: string, jid: string, deviceId: number, identityKey: Bytes) {
    this.#process = process
    this.#name = name
    this.jid = jid
    this.deviceId = deviceId
    this.identityKey = identityKey
  }

  /** What it publishes now, by namespace; it replaces a used prekey at once. */
  bundle(): Promise<Readonly<Record<Namespace, Published>>> {
    return this.#request('bundle', {})
  }

  /** The devices of a JID that it knows, its own included. */
  async devices(jid: string): Promise<readonly PythonDevice[]> {
    const { devices } = await this.#request<{ devices: readonly WireDevice[] }>('devices', { jid })
    return devices.map(({ device_id, identity_key, label, ...rest }) => ({
      ...rest,
      deviceId: device_id,
      identityKey: decode(identity_key),
      label: label ?? undefined,
    }))
  }

  /**
   * Encrypts for all devices of the recipients, and for its own other ones.
   *
   * @param message - `text` is a body: as it is in axolotl, in an SCE envelope in omemo:2. `bytes` are encrypted
   *   as they are. Several namespaces are by priority; each device gets the first that it has.
   */
  async encrypt(
    message: {
      readonly to: string | readonly string[]
      readonly namespace: Namespace | readonly Namespace[]
    } & ({ readonly text: string } | { readonly bytes: Uint8Array }),
  ): Promise<{ readonly messages: readonly Encrypted[]; readonly errors: readonly EncryptionFailure[] }> {
    const { messages, errors } = await this.#request<{
      messages: readonly Encrypted[]
      errors: readonly WireFailure[]
    }>('encrypt', {
      to: message.to,
      namespace: message.namespace,
      ...('text' in message ? { text: message.text } : { bytes: encode(message.bytes) }),
    })
    return { messages, errors: errors.map(({ device_id, ...rest }) => ({ ...rest, deviceId: device_id })) }
  }

  /** {@link encrypt} in one namespace for one JID: the `<encrypted/>` element, or the first failure. */
  async send(to: string, namespace: Namespace, text: string): Promise<string> {
    const { messages, errors } = await this.encrypt({ to, namespace, text })
    const [failed] = errors
    if (failed) throw new PeerError(failed.error, failed.message)
    const [only] = messages
    if (only === undefined || messages.length > 1)
      throw new PeerError('driver', `${messages.length} messages`)
    return only.xml
  }

  /** @param xml - an `<encrypted/>` element, or a stanza; of a stanza with both, omemo:2 unless named. */
  async decrypt(from: string, xml: string, namespace?: Namespace): Promise<PythonDecrypted> {
    const found = await this.#request<WireDecrypted>('decrypt', { from, xml, namespace })
    const sender = {
      deviceId: found.device_id,
      identityKey: decode(found.identity_key),
      trust: found.trust,
    }
    return found.kind === 'message'
      ? { ...sender, kind: 'message', bytes: decode(found.bytes ?? ''), body: found.body ?? undefined }
      : { ...sender, kind: 'empty', key: decode(found.key ?? '') }
  }

  /** What it sent by itself since the last call: an empty message answers each key exchange. */
  async messages(): Promise<readonly (Encrypted & { readonly to: string })[]> {
    const { messages } = await this.#request<{ messages: readonly (Encrypted & { to: string })[] }>(
      'messages',
      {},
    )
    return messages
  }

  /** An empty message (XEP-0384, 5.5.3) on an existing session. */
  async empty(to: string, deviceId: number, namespace: Namespace): Promise<string> {
    return (await this.#request<{ xml: string }>('empty', { to, device_id: deviceId, namespace })).xml
  }

  /** A key transport element of axolotl (XEP-0384 0.3.0, 4.6), and the 16-byte key that it carries. */
  async keyTransport(to: string): Promise<{ readonly xml: string; readonly key: Bytes }> {
    const { xml, key } = await this.#request<{ xml: string; key: string }>('key-transport', {
      to,
      namespace: AXOLOTL,
    })
    return { xml, key: decode(key) }
  }

  /** New sessions with a device wherever it has one; what announces them is in {@link messages}. */
  async replaceSession(jid: string, deviceId: number): Promise<Readonly<Partial<Record<Namespace, string>>>> {
    const { failed } = await this.#request<{ failed: Partial<Record<Namespace, string>> }>(
      'replace-session',
      {
        jid,
        device_id: deviceId,
      },
    )
    return failed
  }

  session(jid: string, deviceId: number, namespace: Namespace): Promise<PythonSession> {
    return this.#request('session', { jid, device_id: deviceId, namespace })
  }

  /** Makes and publishes a new signed prekey; the one before stays usable. */
  async rotate(namespace: Namespace): Promise<void> {
    await this.#request('rotate', { namespace })
  }

  async trust(jid: string, deviceId: number, level: 'trusted' | 'undecided' | 'distrusted'): Promise<void> {
    await this.#request('trust', { jid, device_id: deviceId, level })
  }

  /** Its whole state, for {@link PythonOmemo.restore}. */
  async dump(): Promise<string> {
    return (await this.#request<{ state: string }>('dump', {})).state
  }

  /** Forgets it; what it published stays. */
  async close(): Promise<void> {
    await this.#request('close', {})
  }

  #request<T>(op: string, fields: Readonly<Record<string, unknown>>): Promise<T> {
    return this.#process.request<T>(op, { account: this.#name, ...fields })
  }
}
