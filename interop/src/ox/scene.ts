/** Our façade and a contact whose client is a program that knows nothing of XMPP, on the service in memory, in real time. */
import { fetchItems, publish } from '@xmpp-e2e/disco/pep'
import { type Decrypted, type Encrypted, features, Ox, type OxEvent } from '@xmpp-e2e/ox'
import { memoryStore } from '@xmpp-e2e/store'
import { type Client, testService } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification } from '@xmpp-e2e/trust'
import { type BareJid, type Connection, child, type Element, ns, receive, text } from '@xmpp-e2e/xml'
import { clock, random } from '@xmpp-e2e/xml/system'
import type { ToolKey } from './tool.ts'

export const OX = 'urn:xmpp:openpgp:0'
const ox = ns(OX)
const client = ns('jabber:client')

export interface OxScene {
  readonly ours: BareJid
  readonly ox: Ox
  readonly events: readonly OxEvent[]
  /** Waits for what needs the service. */
  during<T>(work: Promise<T>): Promise<T>
  /** Waits until it has nothing to deliver. */
  quiet(): Promise<void>
  contact(name: string): Contact
  close(): Promise<void>
}

/** An account and its raw stanzas. */
export interface Contact {
  readonly jid: BareJid
  readonly connection: Connection
  /** Puts certificates on its nodes, and their fingerprints on its list. */
  announce(keys: readonly ToolKey[]): Promise<void>
  /** Our certificate, as we have published it. */
  certificate(): Promise<Uint8Array>
  /** What we make of a message with these bytes. */
  sends(openpgp: Uint8Array): Promise<Decrypted>
  /** Has us send something; the bytes that come. */
  gets(body: string): Promise<Uint8Array>
}

export async function oxScene({ hasKey = true }: { readonly hasKey?: boolean } = {}): Promise<OxScene> {
  const service = testService({ now: Date.now() })
  const during = async <T>(work: Promise<T>): Promise<T> => {
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
  const quiet = () => during(new Promise<void>((resolve) => setTimeout(resolve, 20)))
  const ours = service.account('ours')
  const own = service.connect('ours')
  const { connection } = own
  const policy = blindTrustBeforeVerification
  const store = memoryStore()
  const ox = await Ox.open({ account: ours, connection, clock, random, policy, store })
  const events: OxEvent[] = []
  ox.on((event) => events.push(event))
  own.presence({ features: [...features] })
  if (hasKey) await ox.generate()
  await during(ox.start())
  return {
    ours,
    ox,
    events,
    during,
    quiet,
    contact(name) {
      const jid = service.account(name)
      const theirs = service.connect(name)
      theirs.presence()
      return contact({ ox, ours, own, during, quiet, jid, theirs })
    },
    close: () => during(ox.close()),
  }
}

interface Sides extends Pick<OxScene, 'ox' | 'ours' | 'during' | 'quiet'> {
  readonly own: Client
  readonly jid: BareJid
  readonly theirs: Client
}

function contact({ ox, ours, own, during, quiet, jid, theirs }: Sides): Contact {
  const { connection } = theirs
  const next = (of: Connection) =>
    new Promise<Element>((resolve) => {
      const stop = of.subscribe({
        stanza(stanza) {
          if (child(stanza, 'openpgp', OX) === undefined) return
          stop()
          resolve(stanza)
        },
      })
    })
  return {
    jid,
    connection,
    announce: async (keys) => {
      for (const { fingerprint, certificate } of keys)
        await during(publishKey(connection, fingerprint, certificate))
      await during(
        publishList(
          connection,
          keys.map(({ fingerprint }) => fingerprint),
        ),
      )
      await quiet()
    },
    certificate: () => during(fetchCertificate(connection, ours)),
    async sends(bytes) {
      const arrives = next(own.connection)
      await connection.send(client('message', { to: ours, type: 'chat' }, openpgp(bytes)))
      const received = receive(await during(arrives), { account: ours })
      if (received.kind !== 'message') throw new Error(received.kind)
      const decrypted = await during(ox.decrypt(received))
      if (decrypted.kind === 'message') await ox.settle([decrypted.ref])
      return decrypted
    },
    async gets(body) {
      const arrives = next(connection)
      const message = client('message', { to: jid, type: 'chat' }, client('body', {}, body))
      const sent = await during(ox.send(message, [jid]))
      assertEncrypted(sent)
      const stanza = await during(arrives)
      return bytesOf(child(stanza, 'openpgp', OX) as Element)
    },
  }
}

export function assertEncrypted(sent: Encrypted): asserts sent is Extract<Encrypted, { kind: 'encrypted' }> {
  if (sent.kind !== 'encrypted') throw new Error(JSON.stringify(sent))
}

export const openpgp = (bytes: Uint8Array): Element => ox('openpgp', {}, base64(bytes))
export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
export const bytesOf = (el: Element): Uint8Array => new Uint8Array(Buffer.from(text(el), 'base64'))

const open = { access: 'open', persist: true } as const
const stampNow = (): string => new Date().toISOString().replace(/\.\d+/, '')

export async function publishKey(
  connection: Connection,
  fingerprint: string,
  certificate: Uint8Array,
): Promise<void> {
  const payload = ox('pubkey', {}, ox('data', {}, base64(certificate)))
  await publish(
    connection,
    `${OX}:public-keys:${fingerprint.toUpperCase()}`,
    { id: stampNow(), payload },
    open,
  )
}

export async function publishList(connection: Connection, fingerprints: readonly string[]): Promise<void> {
  const entries = fingerprints.map((fingerprint) =>
    ox('pubkey-metadata', { 'v4-fingerprint': fingerprint.toUpperCase(), date: stampNow() }),
  )
  const payload = ox('public-keys-list', {}, entries)
  await publish(connection, `${OX}:public-keys`, { id: 'current', payload }, open)
}

/** Fingerprints on an account's list, as they are written. */
export async function fetchFingerprints(connection: Connection, owner: BareJid): Promise<readonly string[]> {
  const [item] = await fetchItems(connection, `${OX}:public-keys`, { owner, max: 1 })
  const entries = item?.payload?.children ?? []
  return entries.flatMap((el) => (typeof el === 'string' ? [] : [el.attrs['v4-fingerprint'] ?? '']))
}

/** The certificate of the first key on an account's list. */
export async function fetchCertificate(connection: Connection, owner: BareJid): Promise<Uint8Array> {
  const [fingerprint] = await fetchFingerprints(connection, owner)
  const [item] = await fetchItems(connection, `${OX}:public-keys:${fingerprint}`, { owner, max: 1 })
  const data = item?.payload && child(item.payload, 'data')
  if (data === undefined) throw new Error('there is no certificate')
  return bytesOf(data)
}

/** An element of XEP-0373 §3.1, written by hand. */
export function content(kind: 'signcrypt' | 'sign' | 'crypt', to: string, body: string): string {
  const escaped = body.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`)
  const rpad = kind === 'sign' ? '' : '<rpad>f0rm1l4n4</rpad>'
  return `<${kind} xmlns='${OX}'><to jid='${to}'/><time stamp='${stampNow()}'/>${rpad}<payload><body xmlns='jabber:client'>${escaped}</body></payload></${kind}>`
}

export function bodyOf(decrypted: Decrypted): string | undefined {
  if (decrypted.kind !== 'message') throw new Error(JSON.stringify(decrypted))
  const body = decrypted.content.find(({ name }) => name === 'body')
  return body && text(body)
}
