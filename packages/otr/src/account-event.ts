/** What happens besides sending and receiving; plain data, told after what caused it is done. */
import type { Contest, Key, Level } from '@xmpp-e2e/trust'
import type { SessionInfo } from './outcome.ts'
import type { ConversationEvent, DroppedReason } from './protocol/event.ts'
import type { Version } from './protocol/header.ts'
import type { SmpResult } from './protocol/smp.ts'
import type { Bytes } from './wire/bytes.ts'

/** Of which session something is, with a key that has proven itself. */
interface Origin {
  readonly jid: string
  /** The instance tag of the peer's client; 0 in version 2. */
  readonly instance: number
  /** Of the peer's key. What a key begins that the policy does not show is not told. */
  readonly fingerprint: string
  /** It is not the key that messages to the contact are meant for: somebody else may want to be taken for them. */
  readonly keyChanged: boolean
}

/** `jid` is the address of the peer's client. */
export type AccountEvent =
  /** A key that was never seen before; its level is what the policy gave it. */
  | { readonly kind: 'key-met'; readonly key: Key }
  | { readonly kind: 'key-changed'; readonly key: Key; readonly previous: Level }
  /** A comparison contradicts what a person has decided: ask them. */
  | { readonly kind: 'key-contested'; readonly contest: Contest }
  /** A session has begun, was replaced, or has ended: `session.state` says which. */
  | ({
      readonly kind: 'session'
      /** By another key than the one that messages to the contact were meant for. Nothing goes to it until `select`. */
      readonly keyChanged: boolean
      /** The key has been used with a higher version: somebody on the way may have taken it away. */
      readonly downgrade: boolean
    } & SessionInfo)
  /** The peer speaks OTR. Unless `accepted`, `query` starts a session. `versions` are those that both speak. */
  | {
      readonly kind: 'offer'
      readonly jid: string
      readonly via: 'query' | 'whitespace'
      readonly versions: readonly Version[]
      readonly accepted: boolean
    }
  /** The peer's user wants to compare a secret: `answer`, or `abort`. */
  | ({ readonly kind: 'smp-asked'; readonly question?: string } & Origin)
  /** A match has verified the key, unless it was the peer who asked a question. */
  | ({ readonly kind: 'smp-ended' } & Origin & SmpResult)
  /** The peer, or we, want to use a key of 32 bytes for something else. */
  | ({
      readonly kind: 'symmetric-key'
      readonly use: number
      readonly data: Bytes
      readonly key: Bytes
      readonly weInitiated: boolean
    } & Origin)
  /** Nobody has answered. */
  | { readonly kind: 'handshake-failed'; readonly jid: string }
  /** What the peer's client says it could not do; anybody on the way can have written it. */
  | { readonly kind: 'peer-error'; readonly jid: string; readonly text: string }
  /** Something came that is not shown. */
  | { readonly kind: 'dropped'; readonly jid: string; readonly why: DroppedReason }
  /** What was given to `listen` has rejected, or the store has failed for a message; it is not given again. */
  | { readonly kind: 'listener-failed'; readonly error: unknown }
  /** A text of OTR's own could not be sent. A key exchange is begun again; all else the peer can do without. */
  | { readonly kind: 'send-failed'; readonly jid: string; readonly error: unknown }

/** @internal What is known of whom messages are for. */
export interface Bearings {
  isSelected(jid: string, instance: number): boolean
  /** Whether messages to the contact are meant for another key. */
  isForeign(jid: string, fingerprint: string): boolean
}

/** @internal Messages and refusals are what methods return, and no events. */
export function toldOf(
  jid: string,
  event: ConversationEvent,
  { isSelected, isForeign }: Bearings,
): AccountEvent | undefined {
  const originOf = ({ instance, fingerprint }: Pick<Origin, 'instance' | 'fingerprint'>): Origin => {
    return { jid, instance, fingerprint, keyChanged: isForeign(jid, fingerprint) }
  }
  switch (event.type) {
    case 'message':
    case 'refused':
      return undefined
    case 'state': {
      const { instance, to, downgrade } = event
      const selected = isSelected(jid, instance)
      const keyChanged = event.keyChanged || (to.state === 'encrypted' && isForeign(jid, to.fingerprint))
      return { kind: 'session', jid, instance, session: to, selected, keyChanged, downgrade }
    }
    case 'offer': {
      const { via, versions, accepted } = event
      return { kind: 'offer', jid, via, versions, accepted }
    }
    case 'smp-asked': {
      const { question } = event
      return { kind: 'smp-asked', ...originOf(event), ...(question !== undefined && { question }) }
    }
    case 'smp-ended': {
      const { result, weInitiated, oneWay, secretsMayDiffer } = event
      return { kind: 'smp-ended', ...originOf(event), result, weInitiated, oneWay, secretsMayDiffer }
    }
    case 'symmetric-key': {
      const { use, data, key, weInitiated } = event
      return { kind: 'symmetric-key', ...originOf(event), use, data, key, weInitiated }
    }
    case 'handshake-failed':
      return { kind: 'handshake-failed', jid }
    case 'peer-error':
      return { kind: 'peer-error', jid, text: event.text }
    case 'dropped':
      return { kind: 'dropped', jid, why: event.why }
  }
}
