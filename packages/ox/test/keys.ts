/** What tests of keys need besides `world.ts`: nodes as they are on the service, written by other clients, and who asks for them. */
import { fetchItems, type Item, PepError, publish } from '@xmpp-e2e/disco/pep'
import { type BareJid, type Connection, child, type Element, element } from '@xmpp-e2e/xml'
import { encodePublicKey, publicKeyNode } from '../src/elements/key-element.ts'
import { decodeKeyList, KEY_LIST_NODE, withKey } from '../src/elements/key-list.ts'
import type { World } from './world.ts'

const PUBSUB = 'http://jabber.org/protocol/pubsub'

export interface Peer {
  readonly account: BareJid
  readonly connection: Connection
  items(owner: BareJid, node: string): Promise<readonly Item[]>
  /** Fingerprints of an account's list, lower case. */
  listed(owner: BareJid): Promise<readonly string[]>
  put(node: string, payload: Element, id?: string, access?: 'open' | 'presence' | 'whitelist'): Promise<void>
  /** Certificates, and a list of nothing but them. */
  announce(certificates: Readonly<Record<string, Uint8Array>>, date?: Date): Promise<void>
}

/** A client without the façade. */
export function peer({ service, finish }: World, name: string, resource = 'bare'): Peer {
  const account = service.account(name)
  const { connection } = service.connect(name, { resource })
  const items = async (owner: BareJid, node: string) => {
    try {
      return await finish(fetchItems(connection, node, { owner }))
    } catch (error) {
      if (error instanceof PepError && error.code === 'not-found') return []
      throw error
    }
  }
  const put: Peer['put'] = async (node, payload, id = 'current', access = 'open') => {
    await finish(publish(connection, node, { id, payload }, { access, persist: true }))
  }
  return {
    account,
    connection,
    items,
    put,
    async listed(owner) {
      const payload = (await items(owner, KEY_LIST_NODE)).at(-1)?.payload
      return payload ? decodeKeyList(payload).entries.map(({ fingerprint }) => fingerprint) : []
    },
    async announce(certificates, date = new Date(service.clock.now())) {
      for (const [fingerprint, bytes] of Object.entries(certificates))
        await put(publicKeyNode(fingerprint), encodePublicKey(bytes))
      await put(KEY_LIST_NODE, listElement(Object.keys(certificates), date))
    },
  }
}

export function listElement(fingerprints: readonly string[], date: Date): Element {
  const empty = element('urn:xmpp:openpgp:0', 'public-keys-list')
  return fingerprints.reduce((list, one) => withKey(decodeKeyList(list), one, date), empty)
}

/** The node that a request is about, and what it wants. */
export function requestOf(stanza: Element): { readonly node: string; readonly what: string } | undefined {
  const pubsub = stanza.name === 'iq' ? child(stanza, 'pubsub', PUBSUB) : undefined
  for (const what of ['items', 'publish']) {
    const node = pubsub && child(pubsub, what, PUBSUB)?.attrs.node
    if (node !== undefined && stanza.attrs.type !== 'result') return { node, what }
  }
  return undefined
}

/** What the clients of an account have asked of `owner` and published there, in order: `items`, `publish` and the node. */
export function requests({ service }: World, client: string, owner: BareJid): readonly string[] {
  return service.transcript.flatMap((entry) => {
    if (entry.kind !== 'stanza' || entry.direction !== 'sent' || !entry.client.startsWith(`${client}@`))
      return []
    const isTo = (entry.stanza.attrs.to ?? `${client}@${service.domain}`) === owner
    const request = isTo ? requestOf(entry.stanza) : undefined
    return request === undefined ? [] : [`${request.what} ${request.node.replace(KEY_LIST_NODE, '')}`]
  })
}
