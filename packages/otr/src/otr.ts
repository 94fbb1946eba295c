/** The façade: OTR for one client of one account. The only place that holds anything in memory. */
import { randomBytes } from '@noble/hashes/utils.js'
import type { Store } from '@xmpp-e2e/store'
import type { Evidence, Key, KeyRef, Level } from '@xmpp-e2e/trust'
import {
  type BareJid,
  type Closing,
  closing,
  type Element,
  parseJid,
  type Received,
  untilSession,
} from '@xmpp-e2e/xml'
import { type Account, createAccount } from './account.ts'
import type { AccountEvent } from './account-event.ts'
import { type Conversations, createConversations } from './conversations.ts'
import { decide, keysOf, keyUri, scan } from './keyring.ts'
import { type Handle, type Inbox, inbox, type ListenOptions } from './listening.ts'
import { type AtInstance, addressOf } from './live-session.ts'
import { type Abortable, type OpenOptions, type OtrOptions, storeOf } from './options.ts'
import type { Begun, Decrypted, Encrypted, Offered, Refused, SessionInfo, SharedKey } from './outcome.ts'
import { exportFiles, importDevice, type LibotrFiles, openDevice } from './own-device.ts'
import {
  abortComparison,
  answerComparison,
  end,
  selectInstance,
  shareSymmetricKey,
  startComparison,
} from './protocol/outgoing.ts'
import { createPolicy } from './protocol/policy.ts'
import { NO_SMP } from './protocol/smp.ts'
import { decrypt } from './receiving.ts'
import type { Device } from './record.ts'
import { askForSession, type BeginOptions, begin, encrypt, offer, type WorkAt } from './sending.ts'
import { featuresOf, mayHoldOtr } from './xmpp.ts'

/**
 * What came of an import: `device-exists` when the store has a key of the account already, `account-missing` when the
 * files have none.
 */
export type Imported =
  | { readonly kind: 'imported'; readonly otr: Otr }
  | { readonly kind: 'refused'; readonly code: 'device-exists' | 'account-missing' }

/**
 * OTR for one client of one account: versions 3 and, where the policy has it, 2, as XEP-0364 has it within XMPP.
 *
 * Sessions live here and nowhere else: they end with the stream or with the process, and are overwritten. What peers,
 * servers and people cause comes back as a value; what is thrown is misuse (`TypeError`, `RangeError`), a failing store
 * (`StoreError`), damaged state (`OtrError`), or, where a method says so, the network.
 */
export class Otr {
  readonly #account: Account
  readonly #conversations: Conversations
  readonly #listeners = new Set<(event: AccountEvent) => void>()
  readonly #closing: Closing = closing('otr')
  readonly #features: readonly string[]
  readonly #stop: () => void
  readonly #listen: Inbox

  private constructor(options: OtrOptions, store: Store, device: Device) {
    const account = createAccount(options, store, device, {
      closing: this.#closing.signal,
      emit: (event) => this.#emit(event),
    })
    this.#account = account
    this.#features = featuresOf(createPolicy(options.otr).versions)
    const conversations = createConversations(account)
    this.#conversations = conversations
    this.#listen = inbox(account, conversations)
    this.#stop = account.connection.subscribe({
      stanza: ({ name, attrs }) => {
        const { type, from } = attrs
        if (name !== 'presence' || type !== 'unavailable' || from === undefined) return
        if (conversations.get(from) !== undefined) conversations.lose(from)
      },
      session: (state) => {
        if (state === 'new') conversations.lose()
      },
    })
  }

  /**
   * Opens the account's key in the store, or makes one, which takes a fraction of a second in slices of milliseconds.
   * Never touches the network.
   *
   * @throws {OtrError} `state-malformed`, `state-version-unknown`: never go on with a new key silently
   * @throws {TypeError | RangeError} on options that are none; the signal's reason
   */
  static async open(options: OtrOptions, work: OpenOptions = {}): Promise<Otr> {
    const store = storeOf(options)
    createPolicy(options.otr)
    const { account, clock, random = randomBytes } = options
    return new Otr(options, store, await openDevice({ account, store, clock, random }, work))
  }

  /**
   * Takes over key, instance tag and known fingerprints from the files of a program with libotr, which must not go on
   * using them for this account at the same time. Then opens them. Never touches the network.
   *
   * @throws {OtrError} `file-malformed`, `dsa-key-invalid`; what `open` throws
   */
  static async import(options: OtrOptions, files: LibotrFiles): Promise<Imported> {
    const { account, policy, clock, random = randomBytes } = options
    const code = await importDevice({ account, policy, store: storeOf(options), clock, random }, files)
    return code === 'imported'
      ? { kind: 'imported', otr: await Otr.open(options) }
      : { kind: 'refused', code }
  }

  /** Of our key: 40 digits of lower-case hex; `formatFingerprint` of trust makes it readable. */
  get fingerprint(): string {
    return this.#account.fingerprint
  }

  /** Names this client to those of version 3. */
  get instanceTag(): number {
    return this.#account.device.tag
  }

  /** What others scan to verify our key: show it as a QR code, and nowhere that others can change. */
  get uri(): string {
    return keyUri(this.#account)
  }

  /** To announce by disco (XEP-0378): for hosts that answer it, and of the policy for everybody. */
  get features(): readonly string[] {
    return this.#features
  }

  /** Waits until there is a session. It publishes nothing; OTR has nothing to publish. @throws the signal's reason */
  async start({ signal }: Abortable = {}): Promise<void> {
    this.#assertOpen()
    await untilSession(this.#account.connection, [signal, this.#closing.signal])
  }

  /**
   * Opens what comes in on the connection, in order, and gives what is to be shown to `handle`, one after another. When it
   * rejects there is an event `listener-failed`; it is not given again, as OTR keeps nothing. Returns how to stop: what was
   * opened before is given still. One listener at a time, as a message opens once. Hosts that need more control, or ask
   * another scheme first, call `decrypt` themselves.
   *
   * @throws {TypeError} while somebody listens
   */
  listen(handle: Handle, options: ListenOptions = {}): () => void {
    this.#assertOpen()
    return this.#listen(handle, options)
  }

  /** Whether `decrypt` has to see a stanza: each message with a body, since queries and tags are in plain text. */
  claims(stanza: Element): boolean {
    return mayHoldOtr(stanza)
  }

  /**
   * Encrypts the body of a message for the session with a contact, or not at all. `to` is one address; with a full JID
   * in the message's own `to`, that client of the contact's. Without a session it is refused; `query` asks for one.
   * What it returns must be sent before anything else is: `send` does both.
   *
   * @throws {TypeError} on what is no message to that contact
   * @throws the signal's reason; nothing has changed then. What was encrypted is returned, and has to be sent
   */
  async encrypt(message: Element, to: readonly BareJid[], { signal }: Abortable = {}): Promise<Encrypted> {
    this.#assertOpen()
    return encrypt(this.#account, this.#conversations, message, to, { signal })
  }

  /**
   * `encrypt`, and sends what comes of it.
   *
   * @throws what the connection's `send` rejects with. The message was encrypted then, and can be encrypted again.
   * @throws what `encrypt` throws, the signal's reason too: nothing was sent then
   */
  async send(message: Element, to: readonly BareJid[], { signal }: Abortable = {}): Promise<Encrypted> {
    const encrypted = await this.encrypt(message, to, { signal })
    if (encrypted.kind === 'encrypted')
      for (const stanza of encrypted.stanzas) await this.#account.connection.send(stanza)
    return encrypted
  }

  /**
   * A message in the clear with an invisible tag that says that we speak OTR, until the contact has shown that it does
   * not. Refused while there is a session, also one that has ended and was not `end`ed.
   */
  async offer(message: Element, to: BareJid): Promise<Offered> {
    this.#assertOpen()
    return offer(this.#account, this.#conversations, message, to)
  }

  /**
   * Opens what `receive` or `vouch` of `@xmpp-e2e/xml` have established. Every message has to pass, in order; answers of
   * OTR's own are sent. A message opens once: save it.
   *
   * @throws {TypeError} on what another account has received
   */
  async decrypt(received: Received): Promise<Decrypted> {
    this.#assertOpen()
    return decrypt(this.#account, this.#conversations, received)
  }

  /** Does nothing: of OTR nothing outlives the process. It is there so that hosts can treat all schemes alike. */
  async settle(_refs: readonly string[]): Promise<void> {
    this.#assertOpen()
  }

  /** Returns how to stop. */
  on(listener: (event: AccountEvent) => void): () => void {
    const entry = (event: AccountEvent) => listener(event)
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  /** Does what is due. There are timers of the clock's for it; call it where they may have slept. */
  async tick(): Promise<{ readonly nextDue?: Date }> {
    this.#assertOpen()
    const nextDue = await this.#conversations.tick()
    return nextDue === undefined ? {} : { nextDue }
  }

  /**
   * Asks a contact for a session, which comes as an event. With a bare JID all of its clients are asked, or the one that
   * has a session already.
   */
  async query(jid: string): Promise<void> {
    this.#assertOpen()
    await askForSession(this.#conversations, addressOf(jid))
  }

  /**
   * Asks whether the contact's user has the same secret, if need be with a question. Nobody learns it; the result is an
   * event, and a match verifies the key. Without an `instance` it is with the session that messages go to, or with the
   * only one there is, also if its key has changed: that is a way to find out.
   *
   * @throws {RangeError} for a question longer than `MAX_QUESTION_BYTES`
   */
  async compare(
    jid: string,
    secret: string | Uint8Array,
    { question, instance }: { readonly question?: string } & AtInstance = {},
  ): Promise<Begun> {
    const work: WorkAt = (tag) => (conversation, means) =>
      startComparison(conversation, secret, means, { question, tag })
    return this.#begin(jid, work, { instance, suits: () => true })
  }

  /** The secret that our user was asked for: by the `instance` of the event, or by whoever asks. */
  async answer(jid: string, secret: string | Uint8Array, { instance }: AtInstance = {}): Promise<Begun> {
    const work: WorkAt = (tag) => (conversation, means) =>
      answerComparison(conversation, secret, means, { tag })
    return this.#begin(jid, work, { instance, suits: ({ smp }) => smp === 'asked' })
  }

  /** Ends a comparison: that with an `instance`, or the one that is under way. */
  async abort(jid: string, { instance }: AtInstance = {}): Promise<Begun> {
    const work: WorkAt = (tag) => (conversation, means) => abortComparison(conversation, means, { tag })
    return this.#begin(jid, work, { instance, suits: ({ smp }) => smp !== NO_SMP.state })
  }

  /** A key for something else, a file say, for where messages go, which is told of it: version 3. `use` is an INT that both know. */
  async shareKey(
    jid: string,
    use: number,
    data: Uint8Array = new Uint8Array(0),
    { instance }: AtInstance = {},
  ): Promise<SharedKey> {
    this.#assertOpen()
    const work: WorkAt = (tag) => (conversation, means) =>
      shareSymmetricKey(conversation, use, data, means, { tag })
    const to = addressOf(jid)
    const begun = await begin(this.#account, this.#conversations, to, work, { instance, isSecret: true })
    if (begun.kind === 'refused') return begun
    const event = begun.step.events.find(({ type }) => type === 'symmetric-key')
    if (event?.type !== 'symmetric-key') return NOTHING
    return { kind: 'shared', key: event.key }
  }

  /** Sessions, live or finished, with a contact or with all. */
  sessions(contact?: BareJid): readonly SessionInfo[] {
    const all = this.#conversations.infos()
    return contact === undefined ? all : all.filter(({ jid }) => parseJid(jid).bare === contact)
  }

  /**
   * The user's word that messages to the contact go to this client from now on, and to the key of the `fingerprint` that
   * they have seen, 40 digits of lower-case hex. A session that was replaced while they looked is refused.
   */
  async select(jid: string, instance: number, fingerprint: string): Promise<Begun> {
    const { contact, address = jid } = addressOf(jid)
    const begun = await this.#begin(address, () => (one) => selectInstance(one, instance, fingerprint))
    if (begun.kind === 'refused') return { ...begun, ask: [] }
    this.#conversations.select(contact, address)
    return begun
  }

  /** Ends all sessions with a contact, or with one of its clients: the only way back to plain text. */
  async end(jid: string): Promise<void> {
    this.#assertOpen()
    const { contact, address } = addressOf(jid)
    await this.#end(contact, address)
  }

  /** The keys of a contact, or all that are known. */
  async keys(owner?: BareJid): Promise<readonly Key[]> {
    this.#assertOpen()
    return keysOf(this.#account, owner)
  }

  /**
   * What a person has decided about a key.
   *
   * @throws {RangeError} for what is none, and for our own
   */
  async decide({ owner, fingerprint }: KeyRef, level: Level, by: Evidence): Promise<Key> {
    this.#assertOpen()
    const [key] = await decide(this.#account, owner, [{ fingerprint, level, by }])
    return key as Key
  }

  /**
   * Takes in a scanned URI about keys of `expected`, and verifies those that it names.
   *
   * @throws {TrustError} `uri-malformed`, `uri-without-keys`, `uri-wrong-owner`
   */
  async scan(uri: string, expected: BareJid | undefined): Promise<readonly Key[]> {
    this.#assertOpen()
    return scan(this.#account, uri, expected)
  }

  /**
   * The contents of libotr's files, for another program. They hold the private key. `name` is the account's name there,
   * in Pidgin with a resource, or a slash.
   */
  async export(
    options: { readonly protocol?: string; readonly name?: string } = {},
  ): Promise<Required<LibotrFiles>> {
    this.#assertOpen()
    const { jid: account, store, device } = this.#account
    const { protocol = 'prpl-jabber', name = `${account}/` } = options
    return exportFiles({ store, account }, device, { protocol, name })
  }

  /** Tells those who have a session that it ends, if there is a stream, and overwrites all keys of sessions. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    const isOnline = this.#account.connection.jid !== undefined
    const contacts = new Set(this.#conversations.infos().map(({ jid }) => parseJid(jid).bare))
    // What has come before is read first.
    const end = (contact: BareJid) =>
      isOnline ? this.#end(contact, undefined) : this.#conversations.inTurn(contact, async () => {})
    await Promise.all([...contacts].map(end))
    this.#stop()
    this.#closing.close()
    this.#conversations.clear()
  }

  /**
   * Forgets everything about the account: the key, and what is thought of others'. Nothing of OTR is on servers, so that
   * it is off them whatever `server` says.
   */
  async erase(_options: { readonly server: boolean }): Promise<{ readonly unlisted: true }> {
    await this.close()
    const { store } = this.#account
    const { entries } = await store.list('')
    await store.commit([], { delete: entries.map(([name]) => name) })
    return { unlisted: true }
  }

  async #begin(jid: string, workAt: WorkAt, options: BeginOptions = {}): Promise<Begun> {
    this.#assertOpen()
    const begun = await begin(this.#account, this.#conversations, addressOf(jid), workAt, options)
    return begun.kind === 'begun' ? { kind: 'begun' } : begun
  }

  async #end(contact: BareJid, address: string | undefined): Promise<void> {
    await this.#conversations.inTurn(contact, async () => {
      const all = address === undefined ? this.#conversations.addressesOf(contact) : [address]
      for (const one of all)
        if (this.#conversations.get(one) !== undefined) await this.#conversations.perform(one, end)
    })
  }

  #emit(event: AccountEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch (error) {
        // The host hears of it as of any error that nobody handles; it is not a failure of what is going on here.
        void Promise.reject(error)
      }
    }
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw new TypeError('otr: it was closed')
  }
}

const NOTHING: Refused = { kind: 'refused', code: 'not-encrypted', ask: [] }
