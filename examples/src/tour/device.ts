/** What the tour asks of a device, whoever has written the program that runs on it. */
import type { Namespace } from '@xmpp-e2e/omemo/primitives'
import type { BareJid, Element } from '@xmpp-e2e/xml'

/** Where devices find each other: what accounts have published on their server. */
export interface Directory {
  /** Device ids of an account that announces them in one wire version. */
  devices(jid: BareJid, namespace: Namespace): readonly number[]
  bundle(jid: BareJid, deviceId: number, namespace: Namespace): Element | undefined
}

export interface Device {
  /** As people call it: `Bob's phone`. */
  readonly name: string
  readonly jid: BareJid
  readonly deviceId: number
  /** What runs on it. */
  readonly software: string
  /** Of its identity key: 64 hex digits. */
  fingerprint(): Promise<string>
  /** The bundle of each wire version that it speaks. */
  bundles(): Promise<ReadonlyMap<Namespace, Element>>
  /** Its owner has compared the fingerprint of another device. Throws if the directory offers another key. */
  trust(jid: BareJid, deviceId: number, fingerprint: string, directory: Directory): Promise<void>
  /** A message for all devices of a contact and the writer's other ones; its state is stored already. */
  write(body: string, to: BareJid, directory: Directory): Promise<Written>
  /** @param stanza - as the server delivers it: a message, or a carbon copy of an own one */
  read(stanza: Element, directory: Directory): Promise<Reading>
  /** Messages without text that answer key exchanges since the last call. */
  answers(): Promise<readonly Element[]>
  /** SHA-256 of everything that it stores: tells whether anything has changed. */
  digest(): Promise<string>
  /** What it stores, if it can be counted. */
  stored(): Promise<Stored | undefined>
}

export interface Written {
  readonly stanza: Element
  /** Devices that were announced, and that it did not encrypt for. */
  readonly skipped: readonly { readonly deviceId: number; readonly code: string }[]
}

export type Reading =
  | { readonly kind: 'message'; readonly body: string; readonly namespace: Namespace }
  | { readonly kind: 'empty'; readonly namespace: Namespace }
  | { readonly kind: 'refused'; readonly code: string }

export interface Stored {
  readonly sessions: number
  /** Bytes of the largest one in use, without keys of missing messages; and of everything. */
  readonly largestSession: number
  readonly bytes: number
  /** Keys of messages that have not arrived. */
  readonly missing: number
}
