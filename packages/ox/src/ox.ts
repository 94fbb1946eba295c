/** The façade: the OpenPGP keys of one account. The only place that holds anything in memory. */
import { notify, onEvents } from '@xmpp-e2e/disco/pep'

import { type Store, StoreError } from '@xmpp-e2e/store'
import type { Evidence, Key, KeyRef, Level } from '@xmpp-e2e/trust'
import { type BareJid, type Closing, closing, type Element, type Received, untilSession } from '@xmpp-e2e/xml'
import { random as platformRandom } from '@xmpp-e2e/xml/system'
import type { Account } from './account.ts'
import type { Bytes } from './bytes.ts'
import { KEY_LIST_NODE } from './elements/key-list.ts'
import { hasOpenpgp } from './elements/openpgp-element.ts'
import type { OxEvent } from './event.ts'
import { announce, createAnnouncing, onOwnListEvent, unannounce } from './key/announcement.ts'
import { createBackup, deleteBackup, findBackup, restoreBackup } from './key/backup.ts'
import { type Certificates, certificatesOf } from './key/contact.ts'
import { onContactEvent } from './key/contact-event.ts'
import { importCertificate, refreshContact } from './key/contact-refresh.ts'
import {
  exportSecretKey,
  generateKey,
  importSecretKeys,
  revokeKey,
  selectKey,
  setPassphrase,
} from './key/own-key-change.ts'
import { createOwnKeys, type OwnKey, ownKeys } from './key/own-keys.ts'
import { decide, keysOf, keyUri, scan } from './keyring.ts'
import { decrypt } from './message/receiving.ts'
import { forgetSeen, settle } from './message/seen.ts'
import { encrypt, encryptUnsigned, sign } from './message/sending.ts'
import type { RevocationReason } from './openpgp/secret-key.ts'
import { type Abortable, type OxOptions, storeOf } from './options.ts'
import type { Decrypted, Encrypted, Signed } from './outcome.ts'
import { type Audience, audienceOf } from './room.ts'

/** The features to announce: for `disco`, or for hosts that answer it themselves (XEP-0373 §4.4, XEP-0374 §2.1). */
export const features: readonly string[] = ['urn:xmpp:openpgp:im:0', notify(KEY_LIST_NODE)]

/** Commits that may lose to what was under way, or to another tab, before erasing gives up: as many as in `update`. */
const ERASE_ATTEMPTS = 32

/**
 * OpenPGP for XMPP for one account: XEP-0373 and XEP-0374.
 *
 * What peers, servers and people cause comes back as a value; what is thrown is misuse (`TypeError`, `RangeError`), a failing
 * store (`StoreError`), damaged state and bad keys (`OxError`), or, where a method says so, the network (`PepError`).
 */
export class Ox {
  readonly #account: Account
  readonly #listeners = new Set<(event: OxEvent) => void>()
  readonly #closing: Closing = closing('ox')
  #stopListening: (() => void) | undefined
  #work: Promise<void> = Promise.resolve()

  private constructor(options: OxOptions, store: Store) {
    const { account: jid, connection, policy, clock, random = platformRandom, unlock } = options
    const emit = (event: OxEvent) => this.#emit(event)
    this.#account = {
      jid,
      store,
      connection,
      policy,
      clock,
      random,
      own: createOwnKeys({ store, clock }, unlock && ((fingerprint) => unlock(fingerprint))),
      refreshing: new Map(),
      announcing: createAnnouncing(),
      sent: new Set(),
      closing: this.#closing.signal,
      emit,
      inBackground: (what, work) => this.#inBackground(what, work),
    }
  }

  /**
   * Opens what the store has of the account, which may be no key yet: `generate` makes one, `importSecretKeys` and
   * `restoreBackup` take one over. Never touches the network.
   *
   * @throws {OxError} `state-malformed`, `state-version-unknown`
   * @throws {TypeError} on options that are none
   */
  static async open(options: OxOptions): Promise<Ox> {
    const ox = new Ox(options, storeOf(options))
    await ox.#account.own.all()
    return ox
  }

  /** Of the key that signs, lower-case hex; `formatFingerprint` of trust makes it readable. `undefined` when there is none. */
  get fingerprint(): string | undefined {
    return this.#account.own.fingerprint
  }

  /** What others scan to verify our key: show it as a QR code, and nowhere that others can change. */
  get uri(): string | undefined {
    return keyUri(this.#account)
  }

  /**
   * Listens for lists of keys, and publishes what is missing (XEP-0373 §4). Waits until there is a session; each later one of
   * the connection is taken care of from then on.
   *
   * @throws {PepError} when it could not be published: everything else works, and the next session tries again
   * @throws the signal's reason
   */
  async start({ signal }: Abortable = {}): Promise<void> {
    this.#assertOpen()
    const { connection, jid } = this.#account
    await untilSession(connection, [signal, this.#closing.signal])
    this.#stopListening ??= this.#listen(connection, jid)
    await announce(this.#account, { signal })
  }

  /** Whether a stanza has something for `decrypt`: then its body, if any, is what clients show that do not know OpenPGP. */
  claims(stanza: Element): boolean {
    return hasOpenpgp(stanza)
  }

  /**
   * Signs and encrypts a whole message (`<signcrypt/>`) for all keys of the recipients, and for our own. Messages of type
   * `groupchat` go to a room, and `to` are the real addresses of its members (`audience`); with none, the room is asked for
   * them. Keys that are not known are fetched. Send `stanzas` as they are.
   *
   * @throws {TypeError | RangeError} on what is no message, or to somebody else
   * @throws {OxError} `state-malformed`, `state-version-unknown`
   * @throws the signal's reason, also when it comes while `audience-changed` is told
   */
  async encrypt(message: Element, to: readonly BareJid[], { signal }: Abortable = {}): Promise<Encrypted> {
    this.#assertOpen()
    return encrypt(this.#account, message, to, { signal })
  }

  /** `encrypt` without a signature (`<crypt/>`): nobody can say who has written it. XEP-0374 §2.4 forbids it for chats. @throws as `encrypt` */
  async encryptUnsigned(
    message: Element,
    to: readonly BareJid[],
    { signal }: Abortable = {},
  ): Promise<Encrypted> {
    this.#assertOpen()
    return encryptUnsigned(this.#account, message, to, { signal })
  }

  /** Signs a whole message that everybody can read (`<sign/>`). XEP-0374 §2.4 forbids it for chats. @throws as `encrypt` */
  async sign(message: Element, to: readonly BareJid[], { signal }: Abortable = {}): Promise<Signed> {
    this.#assertOpen()
    return sign(this.#account, message, to, { signal })
  }

  /**
   * `encrypt`, and sends what comes of it.
   *
   * @throws as `encrypt`, and what the connection's `send` rejects with
   */
  async send(message: Element, to: readonly BareJid[], options: Abortable = {}): Promise<Encrypted> {
    const encrypted = await this.encrypt(message, to, options)
    if (encrypted.kind === 'encrypted')
      for (const stanza of encrypted.stanzas) await this.#account.connection.send(stanza)
    return encrypted
  }

  /**
   * Opens what `receive` or `vouch` of `@xmpp-e2e/xml` have established. Decrypting the same stanza again gives the same
   * answer, until it is settled. Keys of the sender that are not known are fetched.
   *
   * @throws {TypeError} on what another account has received
   * @throws {OxError} `state-malformed`, `state-version-unknown`
   */
  async decrypt(received: Received): Promise<Decrypted> {
    this.#assertOpen()
    return decrypt(this.#account, received)
  }

  /** Messages that the application has saved: whoever sends them again sends duplicates. @throws {RangeError} on what is no `ref` */
  async settle(refs: readonly string[]): Promise<void> {
    this.#assertOpen()
    await settle(this.#account, refs)
  }

  /** Returns how to stop. */
  on(listener: (event: OxEvent) => void): () => void {
    const entry = (event: OxEvent) => listener(event)
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  /** Does what is due; call it once a day or so, or at `nextDue`. */
  async tick(): Promise<{ readonly nextDue?: Date }> {
    this.#assertOpen()
    const nextDue = await forgetSeen(this.#account)
    return nextDue === undefined ? {} : { nextDue }
  }

  /** Stops listening, and forgets unlocked keys. */
  async close(): Promise<void> {
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#closing.close()
    await this.#work
    this.#account.own.lock()
  }

  /**
   * Forgets everything about the account, the secret keys too: without a backup, nothing encrypted to them can be read again.
   * With `server` first takes them off the list; `unlisted` says whether that worked.
   */
  async erase({
    server,
    signal,
  }: { readonly server: boolean } & Abortable): Promise<{ readonly unlisted: boolean }> {
    const { announced } = await this.#account.own.self()
    const unlisted =
      server &&
      (await unannounce(this.#account, announced, { signal }).then(
        () => true,
        () => false,
      ))
    await this.close()
    const { store } = this.#account
    for (let attempt = 0; attempt < ERASE_ATTEMPTS; attempt++) {
      const { token, entries } = await store.list('')
      if (await store.commit([token], { delete: entries.map(([name]) => name) })) return { unlisted }
    }
    throw new StoreError('conflict', 'others write what is to be erased')
  }

  /** The keys of an account, or all that are known. */
  async keys(owner?: BareJid): Promise<readonly Key[]> {
    this.#assertOpen()
    return keysOf(this.#account, owner)
  }

  /** The certificates of an account as they are known, and why there are none. `refresh` asks its server first. */
  async certificates(
    jid: BareJid,
    { refresh = false, signal }: { readonly refresh?: boolean } & Abortable = {},
  ): Promise<Certificates> {
    this.#assertOpen()
    if (refresh) await refreshContact(this.#account, jid, { signal })
    return certificatesOf(this.#account, jid)
  }

  /**
   * Takes in a certificate of a contact's, binary or armored, that came another way; its fingerprint. What its key has signed can
   * be read then; it is encrypted to while the account announces it.
   *
   * @throws {OxError} `certificate-malformed`, `algorithm-refused`, `user-id-missing`
   */
  async importCertificate(jid: BareJid, data: Uint8Array | string): Promise<string> {
    this.#assertOpen()
    return importCertificate(this.#account, jid, data)
  }

  /** What a person has decided about a key. @throws {RangeError} for what is none, and for our own */
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

  /** Makes a key, which signs from now on, and announces it in a session that is there. It is stored under the passphrase, if there is one. */
  async generate(options: { readonly passphrase?: string } = {}): Promise<OwnKey> {
    this.#assertOpen()
    const key = await generateKey(this.#account, options)
    this.#announceSoon()
    return key
  }

  /** Our secret keys. */
  async ownKeys(): Promise<readonly OwnKey[]> {
    this.#assertOpen()
    return ownKeys(this.#account)
  }

  /**
   * Takes over secret keys, binary or armored, with the passphrase that they are under, if there is one. They get the user ID of
   * the account, and no longer expire. Of several, those of algorithms that are refused are left out.
   *
   * @throws {OxError} `secret-key-malformed`, `algorithm-refused`, `key-locked`, `passphrase-wrong`
   */
  async importSecretKeys(
    data: Uint8Array | string,
    options: { readonly passphrase?: string } = {},
  ): Promise<readonly OwnKey[]> {
    this.#assertOpen()
    const keys = await importSecretKeys(this.#account, data, options)
    this.#announceSoon()
    return keys
  }

  /** A secret key for another program, as OpenPGP writes it. @throws {OxError} `key-missing`, `key-locked` */
  async exportSecretKey(
    fingerprint: string,
    protection: { readonly passphrase: string } | { readonly unprotected: true },
  ): Promise<Bytes> {
    this.#assertOpen()
    return exportSecretKey(this.#account, fingerprint, protection)
  }

  /** Which key signs from now on. @throws {OxError} `key-missing`, also of one that was revoked */
  async select(fingerprint: string): Promise<void> {
    this.#assertOpen()
    await selectKey(this.#account, fingerprint)
    this.#announceSoon()
  }

  /** Says to all that a key is not to be used any more, and why. It goes on decrypting; another one signs. @throws {OxError} `key-missing`, `key-locked` */
  async revoke(fingerprint: string, reason: RevocationReason): Promise<OwnKey> {
    this.#assertOpen()
    const key = await revokeKey(this.#account, fingerprint, reason)
    this.#announceSoon()
    return key
  }

  /** Unlocks those keys that are under this passphrase until `lock` or `close`; their fingerprints. */
  async unlock(passphrase: string): Promise<readonly string[]> {
    this.#assertOpen()
    return this.#account.own.unlock(passphrase)
  }

  /** Forgets unlocked keys: those under a passphrase need it again. */
  lock(): void {
    this.#account.own.lock()
  }

  /** Puts all secret keys under another passphrase, or under none. @throws {OxError} `key-locked` */
  async setPassphrase(passphrase: string | undefined): Promise<void> {
    this.#assertOpen()
    return setPassphrase(this.#account, passphrase)
  }

  /**
   * Puts secret keys on the server, encrypted under a code that is shown to the user once and kept nowhere. It takes the place of
   * one that is there.
   *
   * @throws {PepError}; {OxError} `key-missing`, `key-locked`
   */
  async createBackup(
    options: { readonly keys?: readonly string[] } & Abortable = {},
  ): Promise<{ readonly code: string }> {
    this.#assertOpen()
    return createBackup(this.#account, options)
  }

  /** Whether there is a backup on the server. @throws {PepError} */
  async findBackup({ signal }: Abortable = {}): Promise<boolean> {
    this.#assertOpen()
    return findBackup(this.#account, { signal })
  }

  /**
   * Takes in all keys of the backup; the one that the account announces signs from now on.
   *
   * @throws {PepError}; {OxError} `backup-missing`, `backup-code-wrong`, `backup-malformed`
   */
  async restoreBackup(code: string, { signal }: Abortable = {}): Promise<readonly OwnKey[]> {
    this.#assertOpen()
    const keys = await restoreBackup(this.#account, code, { signal })
    this.#announceSoon()
    return keys
  }

  /** @throws {PepError} */
  async deleteBackup({ signal }: Abortable = {}): Promise<void> {
    this.#assertOpen()
    return deleteBackup(this.#account, { signal })
  }

  /** Asks a room whether its messages can be encrypted, and to whom. @throws the signal's reason */
  async audience(room: BareJid, options: Abortable = {}): Promise<Audience> {
    this.#assertOpen()
    return audienceOf(this.#account, room, options)
  }

  #listen(connection: OxOptions['connection'], jid: BareJid): () => void {
    const stopEvents = onEvents(connection, [KEY_LIST_NODE], (event) =>
      event.owner === jid
        ? this.#inBackground('announce', () => onOwnListEvent(this.#account, event))
        : this.#inBackground('refresh', () => onContactEvent(this.#account, event)),
    )
    const stopSessions = connection.subscribe({
      session: (state) => {
        if (state === 'new') this.#announceSoon()
      },
    })
    return () => {
      stopEvents()
      stopSessions()
    }
  }

  /** Once `start` was called, and there is a session. */
  #announceSoon(): void {
    const { connection } = this.#account
    if (this.#stopListening === undefined || connection.jid === undefined) return
    this.#inBackground('announce', () => announce(this.#account, { signal: this.#closing.signal }))
  }

  #emit(event: OxEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch (error) {
        // The host hears of it as of any error that nobody handles; it is not a failure of what is going on here.
        void Promise.reject(error)
      }
    }
  }

  #inBackground(what: 'announce' | 'refresh', work: () => Promise<void>): void {
    if (this.#closing.signal.aborted) return
    const done = work().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) this.#emit({ kind: 'background-failed', what, error })
    })
    this.#work = Promise.all([this.#work, done]).then(() => {})
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw new TypeError('ox: it was closed')
  }
}
