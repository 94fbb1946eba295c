/**
 * What is known of the devices of an account, the own one included: the lists it publishes, the identities its devices
 * have shown, and what remains of dealings with them. At rest it is JSON, version 1.
 */
import type { BareJid } from '@xmpp-e2e/xml'
import type { Bytes } from '../bytes.ts'
import type { Namespace } from '../protocol.ts'
import type { Device } from '../stanza/device-list.ts'

/** @internal */
export interface Contact {
  readonly jid: BareJid
  /** As read last; absent when no list of that namespace was ever read. */
  readonly lists: Readonly<Partial<Record<Namespace, KnownList>>>
  /** Those that were ever listed or heard of, also after they are delisted: sessions decrypt further. */
  readonly devices: readonly KnownDevice[]
  /** The contact has asked for plain text, and the person has not said to go on (XEP-0384 §5.7). */
  readonly optedOut?: { readonly at: number; readonly reason?: string | undefined } | undefined
}

/** @internal */
export interface KnownList {
  /** Empty when there is no list, or nothing in it. */
  readonly devices: readonly Device[]
  /** When it was read or told, milliseconds since 1970. */
  readonly at: number
}

/** @internal */
export interface KnownDevice {
  readonly id: number
  /** Newest first; one in nearly all cases. */
  readonly identities: readonly KnownIdentity[]
  /** When a session was last opened by itself because there was none (XEP-0384 §6). */
  readonly healedAt?: number | undefined
}

/** @internal */
export interface KnownIdentity {
  /** Of the Montgomery form, lower-case hex: what keys, trust and sessions go by. */
  readonly fingerprint: string
  /** The Ed25519 form as omemo:2 has shown it: the key has spoken omemo:2. Absent while only 0.3 was seen. */
  readonly edwards?: Bytes | undefined
  /** When it was first seen under this id. */
  readonly at: number
}

/** @internal */
export function newContact(jid: BareJid): Contact {
  return { jid, lists: {}, devices: [] }
}
