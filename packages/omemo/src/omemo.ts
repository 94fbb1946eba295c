/** The façade: one device of one account, in both namespaces. The only place that holds anything in memory. */
import { randomBytes } from '@noble/hashes/utils.js'
import { notify } from '@xmpp-e2e/disco/pep'
import { effectQueue, type Signal, type Store } from '@xmpp-e2e/store'
import type { Evidence, Key, KeyRef, Level } from '@xmpp-e2e/trust'
import { type BareJid, type Closing, closing, type Element, type Received, untilSession } from '@xmpp-e2e/xml'
import type { Account } from './account.ts'
import { nobleCurve } from './curve.ts'
import { announce } from './device/announcement.ts'
import { type DeviceInfo, devicesOf } from './device/device-info.ts'
import { deleteAll, leave, removeDevices, reset, setLabel } from './device/device-management.ts'
import { maintain } from './device/maintenance.ts'
import { type OwnDevice, openDevice } from './device/own-device.ts'
import { type Diagnosis, diagnose } from './diagnose.ts'
import { handleEffect, runEffects } from './effects.ts'
import { type DecryptedIq, decryptIq, type EncryptedIq, encryptIq } from './encrypted-iq.ts'
import type { OmemoEvent } from './event.ts'
import { type Dropped, type ForeignDevice, importDevice } from './foreign-device.ts'
import { decryptKey, encryptKey, type ReceivedKey, type TransportedKey } from './key-transport.ts'
import { decide, keysOf, keyUri, scan } from './keyring.ts'
import { beginCatchUp, endCatchUp, tickCatchUp } from './message/catch-up.ts'
import { isExposable } from './message/content.ts'
import { explain } from './message/explain.ts'
import { type Replaced, replaceSession } from './message/follow-up.ts'
import { settle, unsettled } from './message/kept.ts'
import { type Handle, type Inbox, inbox, type ListenOptions } from './message/listening.ts'
import { decrypt } from './message/receiving.ts'
import { encrypt } from './message/sending.ts'
import { onNotifications } from './notifications.ts'
import { optIn, optOut } from './opt-out.ts'
import { type Abortable, type OmemoOptions, storeOf } from './options.ts'
import type { Decrypted, DecryptedMessage, DeviceRef, Encrypted } from './outcome.ts'
import { namespaces } from './protocol.ts'
import { type Audience, type AudienceOptions, audienceOf } from './room.ts'
import { deviceLists } from './stanza/device-list.ts'
import { encryptedElements } from './stanza/message.ts'

/**
 * Runs of the queue at once: one may wait for servers that do not answer, lane after lane, and what is added meanwhile is
 * for another one.
 */
const MAX_RUNS = 3

/** What came of an import: `device-exists` when the store has a device of the account already. */
export type Imported =
  | { readonly kind: 'imported'; readonly omemo: Omemo; readonly dropped: readonly Dropped[] }
  | { readonly kind: 'refused'; readonly code: 'device-exists' }

/** The features to announce for being notified of device lists (XEP-0384 §5.2): for `disco`, or for hosts that answer it themselves. */
export const features: readonly string[] = namespaces.map((namespace) => notify(deviceLists[namespace].node))

/**
 * OMEMO for one device of one account: XEP-0384 in both namespaces at once.
 *
 * What peers, servers and people cause comes back as a value; what is thrown is misuse (`TypeError`, `RangeError`), a
 * failing store (`StoreError`), damaged or erased state (`OmemoError` `state-malformed`, `device-erased`), or, where a method says so, the network.
 */
export class Omemo {
  readonly #account: Account
  readonly #listeners = new Set<(event: OmemoEvent) => void>()
  readonly #closing: Closing = closing('omemo')
  readonly #inbox: Inbox
  #device: OwnDevice
  #stopListening: (() => void) | undefined
  #work: Promise<void> = Promise.resolve()
  #hasMoreWork = false
  #runs = 0

  private constructor(options: OmemoOptions, store: Store, device: OwnDevice) {
    const { account: jid, connection, policy, clock, random = randomBytes, curve = nobleCurve } = options
    this.#device = device
    const self = () => this.#device
    const account: Account = {
      jid,
      isStored: true,
      store,
      connection,
      policy,
      clock,
      random,
      curve,
      namespaces: options.namespaces ?? namespaces,
      get self() {
        return self()
      },
      adopt: (device) => {
        this.#device = device
      },
      expose: (element) => (options.expose ?? isExposable)(element),
      closing: this.#closing.signal,
      effects: effectQueue({
        store,
        clock,
        random,
        handle: (effect, handling) => handleEffect(account, effect, handling),
      }),
      emit: (event) => this.#emit(event),
      kick: () => this.#kick(),
    }
    this.#account = account
    this.#inbox = inbox(account)
  }

  /**
   * Opens the account's device in the store, or makes it. Never touches the network.
   *
   * @throws {OmemoError} `state-malformed`, `state-version-unknown`: never go on with a new device silently
   * @throws {TypeError} on options that are none; {RangeError} as `signedLabel` on the label
   */
  static async open(options: OmemoOptions): Promise<Omemo> {
    const store = storeOf(options)
    const { clock, random = randomBytes } = options
    return new Omemo(options, store, await openDevice({ store, clock, random }, options.label))
  }

  /**
   * Takes over the device of another program, once and for all: it must not go on using it. Then opens it; `dropped` is
   * what could not be taken over. Never touches the network.
   *
   * @throws as `open`; {RangeError} for an identity that is not 32 bytes
   */
  static async import(options: OmemoOptions, data: ForeignDevice): Promise<Imported> {
    const { account, clock, random = randomBytes, curve = nobleCurve } = options
    const dropped = await importDevice({ account, store: storeOf(options), clock, random, curve }, data)
    if (dropped === undefined) return { kind: 'refused', code: 'device-exists' }
    return { kind: 'imported', omemo: await Omemo.open(options), dropped }
  }

  /** 1 … 2³¹ − 1. Another one after `reset`. */
  get deviceId(): number {
    return this.#device.deviceId
  }

  /** Of this device, 64 digits of lower-case hex; `formatFingerprint` of trust makes it readable. */
  get fingerprint(): string {
    return this.#device.fingerprint
  }

  /**
   * Listens for device lists, makes prekeys, publishes what is missing (XEP-0384 §5.3) and does what was left to be done.
   * Waits until there is a session; each later one of the connection is taken care of from then on.
   *
   * @throws {PepError} when it could not be published: everything else works, and the next session tries again
   * @throws the signal's reason
   */
  async start({ signal }: Abortable = {}): Promise<void> {
    this.#assertOpen()
    await untilSession(this.#account.connection, [signal, this.#closing.signal])
    this.#stopListening ??= onNotifications(
      this.#account,
      (work) => this.#inBackground(work),
      (state) => (state === 'new' ? this.#announce(this.#closing.signal) : this.#retry()),
    )
    await this.#announce(signal)
  }

  /**
   * `encrypt`, and sends what comes of it.
   *
   * @throws what the connection's `send` rejects with. The message was encrypted then, and can be encrypted again.
   */
  async send(message: Element, to: readonly BareJid[], options: Abortable = {}): Promise<Encrypted> {
    const encrypted = await this.encrypt(message, to, options)
    if (encrypted.kind === 'encrypted')
      for (const stanza of encrypted.stanzas) await this.#account.connection.send(stanza)
    return encrypted
  }

  /**
   * Opens the encrypted messages that come in on the connection, and gives them one after another, those first that were
   * opened before and not settled. When the promise of `handle` resolves, the message is settled; when it rejects, there
   * is an event `listener-failed`, and it is given again: in the next session, at `tick`, and to who listens next. Those of
   * a key that was not shown are given when a decision has changed that. Returns how to stop. Hosts that need more control call `decrypt` and `settle` themselves.
   */
  listen(handle: Handle, options: ListenOptions = {}): () => void {
    this.#assertOpen()
    return this.#inbox.listen(handle, options)
  }

  /**
   * Reads from the account's archive what has come since the last time, for those who listen, in catch-up mode. The first
   * time it only remembers where the archive ends. Call it in each new session, before presence is sent. What could not
   * be opened, because the store failed, or nobody listens any longer, is read again the next time.
   *
   * @throws {StanzaError | ConnectionError} `feature-not-implemented`, `service-unavailable` where there is no archive.
   *   Catch-up stays open then, until the next time or for `CATCH_UP_MS`
   * @throws {TypeError} where nobody listens; {StoreError} what a message could not be opened for
   */
  async catchUp({ signal }: Abortable = {}): Promise<void> {
    this.#assertOpen()
    return this.#inbox.catchUp({ signal })
  }

  /** Whether a stanza has something for `decrypt`. */
  claims(stanza: Element): boolean {
    return encryptedElements(stanza).length > 0
  }

  /**
   * Encrypts a whole message for all devices of the recipients, and for the account's other ones. Messages of type
   * `groupchat` go to a room, and `to` are the real addresses of its members (`audience`). Send `stanzas` as they are.
   *
   * @throws {TypeError | RangeError} on what is no message, or to somebody else
   * @throws the signal's reason
   */
  async encrypt(message: Element, to: readonly BareJid[], { signal }: Abortable = {}): Promise<Encrypted> {
    this.#assertOpen()
    return encrypt(this.#account, message, to, { signal })
  }

  /**
   * Opens what `receive` or `vouch` of `@xmpp-e2e/xml` have established. What comes of it stays in the store until it is
   * settled: decrypting the same stanza again gives the same answer, after a crash and in another tab.
   *
   * @throws {TypeError} on what another account has received
   */
  async decrypt(received: Received): Promise<Decrypted> {
    this.#assertOpen()
    return decrypt(this.#account, received)
  }

  /** Messages that the application has saved: they are deleted here, and their stanzas are duplicates from now on. @throws {RangeError} on what is no `ref` */
  async settle(refs: readonly string[]): Promise<void> {
    this.#assertOpen()
    await settle(this.#account, refs)
  }

  /** Messages that were opened and not settled, oldest first: look here when the application starts. */
  async unsettled(): Promise<readonly DecryptedMessage[]> {
    this.#assertOpen()
    return unsettled(this.#account)
  }

  /** Returns how to stop. */
  on(listener: (event: OmemoEvent) => void): () => void {
    const entry = (event: OmemoEvent) => listener(event)
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  /**
   * Does what is due; call it every minute or so, or at `nextDue`, which is of this moment: anything may make something due
   * earlier. Where nobody calls, the next use of the account does it.
   */
  async tick(): Promise<{ readonly nextDue?: Date }> {
    this.#assertOpen()
    this.#inbox.retry()
    const account = this.#account
    const dates = [await maintain(account), await tickCatchUp(account), await runEffects(account)]
    const times = dates.flatMap((date) => (date === undefined ? [] : [date.getTime()]))
    return times.length > 0 ? { nextDue: new Date(Math.min(...times)) } : {}
  }

  /** Stops listening and working. What waits in the queue waits for the next time. */
  async close(): Promise<void> {
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#closing.close()
    await Promise.all([this.#work, this.#inbox.idle()])
  }

  /**
   * Forgets everything about the account: keys, sessions, trust, also messages that were not settled. With `server`
   * first takes the device off the account's lists, as far as the network lets it: `unlisted` says whether it is off all of
   * them. Else contacts go on encrypting to it, until another device of the account uses `removeDevices`.
   */
  async erase({ server, signal }: { readonly server: boolean } & Abortable): Promise<{
    readonly unlisted: boolean
  }> {
    const unlisted = server && (await leave(this.#account, { signal }).catch(() => false))
    await this.close()
    await deleteAll(this.#account)
    return { unlisted }
  }

  /**
   * The devices of an account, the own one included: those in its lists, then those known from before. `refresh` asks its
   * server first; where it does not answer, what is known counts.
   *
   * @throws the signal's reason
   */
  async devices(
    jid: BareJid,
    options: { readonly refresh?: boolean } & Abortable = {},
  ): Promise<readonly DeviceInfo[]> {
    this.#assertOpen()
    return devicesOf(this.#account, jid, options)
  }

  /** The keys of an account, the own one's other devices included, or all that are known. */
  async keys(owner?: BareJid): Promise<readonly Key[]> {
    this.#assertOpen()
    return keysOf(this.#account, owner)
  }

  /**
   * What a person has decided about a key. What was not shown before because of its level is given to those who listen.
   *
   * @param key An owner, a canonical bare JID, and a fingerprint, 64 digits of lower-case hex (`parseFingerprint` of trust)
   * @throws {RangeError} for what is none, and for this device's own key
   */
  async decide(key: KeyRef, level: Level, by: Evidence): Promise<Key> {
    this.#assertOpen()
    return decide(this.#account, key, level, by)
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

  /** What others scan to verify this device: show it as a QR code (`@xmpp-e2e/trust/qr`), and nowhere that others can change. */
  get uri(): string {
    return keyUri(this.#account)
  }

  /** For hosts that read the archive themselves: before the first page, and `endCatchUp` after the last one. */
  async beginCatchUp(): Promise<void> {
    this.#assertOpen()
    return beginCatchUp(this.#account)
  }

  async endCatchUp(): Promise<void> {
    this.#assertOpen()
    return endCatchUp(this.#account)
  }

  /** Asks a room whether its messages can be encrypted, and to whom. @throws the signal's reason */
  async audience(room: BareJid, options: AudienceOptions = {}): Promise<Audience> {
    this.#assertOpen()
    return audienceOf(this.#account, room, options)
  }

  /** For a person who sees that messages with a device fail: opens a new session, and tells the device. @throws {RangeError} on this one */
  async replaceSession(device: DeviceRef): Promise<Replaced> {
    this.#assertOpen()
    return replaceSession(this.#account, device)
  }

  /**
   * Encrypts the payload of a request or a result in omemo:2, for all devices of the account it goes to (XEP-0420).
   *
   * @throws {TypeError | RangeError} on what is none, or goes to nobody
   */
  async encryptIq(iq: Element, { signal }: Abortable = {}): Promise<EncryptedIq> {
    this.#assertOpen()
    return encryptIq(this.#account, iq, { signal })
  }

  /** Opens such an IQ; `undefined` for an error, and for one that has nothing encrypted. Unlike messages, it can be opened once. */
  async decryptIq(iq: Element): Promise<DecryptedIq | undefined> {
    this.#assertOpen()
    return decryptIq(this.#account, iq)
  }

  /**
   * Encrypts the key of a Jingle transport for all devices of an account: what goes into `<security/>` (XEP-0396).
   *
   * @param key 16 bytes
   * @param iv 12 bytes
   */
  async encryptKey(
    to: BareJid,
    key: Uint8Array,
    iv: Uint8Array,
    { signal }: Abortable = {},
  ): Promise<TransportedKey> {
    this.#assertOpen()
    return encryptKey(this.#account, to, key, iv, { signal })
  }

  /** Opens the `<encrypted/>` in the `<security/>` of a sender, whose address the caller has checked. It can be opened once. */
  async decryptKey(encrypted: Element, sender: BareJid): Promise<ReceivedKey> {
    this.#assertOpen()
    return decryptKey(this.#account, encrypted, sender)
  }

  /** Asks a contact to go on in plain text (XEP-0384 §5.7): send `stanzas`. Nothing else changes here. */
  async optOut(jid: BareJid, reason?: string, { signal }: Abortable = {}): Promise<Encrypted> {
    this.#assertOpen()
    return optOut(this.#account, jid, reason, { signal })
  }

  /** Goes on encrypting to a contact who has asked for plain text. */
  async optIn(jid: BareJid): Promise<void> {
    this.#assertOpen()
    await optIn(this.#account, jid)
  }

  /** Others see it after it is published. `undefined` takes it away. @throws {RangeError} as `signedLabel` */
  async setLabel(label: string | undefined): Promise<void> {
    this.#assertOpen()
    return setLabel(this.#account, label)
  }

  /**
   * Takes other devices of this account off its lists, after distrusting their keys: it may be a phone that was stolen,
   * and comes back. Its messages are not shown and its trust messages not heeded, here and, with a policy that sends
   * trust messages, wherever this device is verified; `decide` takes that back. `keepTrust` is for ids that a device
   * with the same key had before (`reset` with `keepIdentity`).
   *
   * @throws {RangeError} for this device's own id
   * @throws {PepError} when they could not be taken off; their keys are distrusted nevertheless
   */
  async removeDevices(
    ids: readonly number[],
    options: { readonly keepTrust?: boolean } & Abortable = {},
  ): Promise<void> {
    this.#assertOpen()
    return removeDevices(this.#account, ids, options)
  }

  /** Starts over with a new device id, new prekeys and no sessions; with `keepIdentity` the fingerprint stays. @throws {PepError} */
  async reset(options: { readonly keepIdentity: boolean }): Promise<void> {
    this.#assertOpen()
    return reset(this.#account, options)
  }

  /** Says in words why a stanza can or cannot be read. Changes nothing. */
  async explain(received: Received): Promise<string> {
    this.#assertOpen()
    return explain(this.#account, received)
  }

  /**
   * Looks at what messages with an account depend on, there and here, and says in words what is wrong and what helps.
   * Changes nothing.
   *
   * @throws the signal's reason
   */
  async diagnose(jid: BareJid, { signal }: Abortable = {}): Promise<Diagnosis> {
    this.#assertOpen()
    return diagnose(this.#account, jid, { signal })
  }

  /** What `start` does, and each new session. What waits is tried again even if it could not be published. */
  async #announce(signal: Signal | undefined): Promise<void> {
    try {
      await announce(this.#account, { signal })
    } finally {
      await this.#retry()
    }
  }

  async #retry(): Promise<void> {
    await this.#account.effects.retry()
    this.#kick()
  }

  #emit(event: OmemoEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch (error) {
        // The host hears of it as of any error that nobody handles; it is not a failure of what is going on here.
        void Promise.reject(error)
      }
    }
    this.#inbox.heed(event)
  }

  #kick(): void {
    this.#hasMoreWork = true
    if (this.#runs === MAX_RUNS) return
    this.#runs++
    this.#inBackground(async () => {
      try {
        while (this.#hasMoreWork && !this.#closing.signal.aborted) {
          this.#hasMoreWork = false
          await runEffects(this.#account)
        }
      } finally {
        this.#runs--
      }
    })
  }

  /** What nobody waits for. A failure of the network or the store is met again by who needs them next. */
  #inBackground(work: () => Promise<void>): void {
    if (this.#closing.signal.aborted) return
    const done = work().catch(() => {})
    this.#work = Promise.all([this.#work, done]).then(() => {})
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw new TypeError('omemo: it was closed')
  }
}
