/** Somebody who writes: an account, a client, and their OpenPGP key in it. */
import { type CertificateInfo, type Decrypted, features, Ox } from '@xmpp-e2e/ox'
import { memoryStore } from '@xmpp-e2e/store'
import type { TestService } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification, formatFingerprint } from '@xmpp-e2e/trust'
import { type BareJid, type Element, element, ns, receive, text } from '@xmpp-e2e/xml'
import { clock } from '@xmpp-e2e/xml/system'
import { fact } from '../fact.ts'

const stanza = ns('jabber:client')

export class Correspondent {
  /** As people call it: `Bob’s phone`. */
  readonly name: string
  readonly account: BareJid
  readonly ox: Ox

  private constructor(name: string, account: BareJid, ox: Ox) {
    this.name = name
    this.account = account
    this.ox = ox
  }

  static async create(
    service: TestService,
    name: string,
    local: string,
    resource: string,
  ): Promise<Correspondent> {
    const account = service.account(local)
    const { connection, presence } = service.connect(local, { resource })
    const options = { account, connection, clock, store: memoryStore(), policy: blindTrustBeforeVerification }
    const ox = await Ox.open(options)
    presence({ features })
    return new Correspondent(name, account, ox)
  }

  /** Makes a key, and has the server keep what others need of it. */
  async makesKey(): Promise<void> {
    await this.ox.generate()
    await this.ox.start()
  }

  get fingerprint(): string {
    const { fingerprint } = this.ox
    fact(fingerprint !== undefined, `${this.name} has a key`)
    return formatFingerprint('openpgp', fingerprint)
  }

  /** The key as this client has found it. */
  async certificateOf({ account, name }: Correspondent): Promise<CertificateInfo & { bytes: Uint8Array }> {
    const { all } = await this.ox.certificates(account, { refresh: true })
    const [found] = all
    fact(found?.bytes !== undefined && all.length === 1, `the server has one key of ${name}`)
    return { ...found, bytes: found.bytes }
  }

  /** The secret key, as it would be stolen. */
  async secretKey(): Promise<Uint8Array> {
    return this.ox.exportSecretKey(this.ox.fingerprint ?? '', { unprotected: true })
  }

  /** @returns the message as the server gets it */
  async writes(to: Correspondent, body: string): Promise<Element> {
    const message = stanza('message', { to: to.account, type: 'chat' }, stanza('body', {}, body))
    const encrypted = await this.ox.encrypt(message, [to.account])
    fact(encrypted.kind === 'encrypted', `${this.name} can encrypt to ${to.name}`)
    const [sent] = encrypted.stanzas
    return element(sent.ns, sent.name, { ...sent.attrs, from: this.account }, sent.children)
  }

  reads(raw: Element): Promise<Decrypted> {
    const received = receive(raw, { account: this.account })
    fact(received.kind === 'message', `${this.name} gets a message`)
    return this.ox.decrypt(received)
  }

  async settles(ref: string): Promise<void> {
    await this.ox.settle([ref])
  }

  close(): Promise<void> {
    return this.ox.close()
  }
}

export function bodyOf(decrypted: Decrypted): string | undefined {
  return decrypted.kind === 'message' ? decrypted.content.map(text).join('') : undefined
}
