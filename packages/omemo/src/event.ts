/** What happens besides sending and receiving; plain data, told after what caused it is stored. */
import type { Contest, Key, KeyRef, Level } from '@xmpp-e2e/trust'
import type { BareJid } from '@xmpp-e2e/xml'
import type { DeviceRef } from './outcome.ts'
import type { Namespace } from './protocol.ts'

export type OmemoEvent =
  /** A key that was never seen before; its level is what the policy gave it. */
  | { readonly kind: 'key-met'; readonly key: Key; readonly device?: DeviceRef | undefined }
  /** A decision, a trust message or a later label has changed what is known of a key. */
  | { readonly kind: 'key-changed'; readonly key: Key; readonly previous: Level }
  /** A trust message contradicts a person: ask them. */
  | { readonly kind: 'key-contested'; readonly contest: Contest }
  /** So much waited for a decision that trust messages about these keys were given up: decide about them by hand. */
  | { readonly kind: 'trust-dropped'; readonly about: readonly KeyRef[] }
  /** So much waits to be told to an account that it is not told of a decision about these keys, which stands here. */
  | { readonly kind: 'trust-untold'; readonly to: BareJid; readonly about: readonly KeyRef[] }
  /** A device that had another key before. It was reset, or somebody else speaks under its id. */
  | {
      readonly kind: 'identity-changed'
      readonly device: DeviceRef
      readonly key: Key
      /** The fingerprint before. */
      readonly previous: string
    }
  /** The devices of an account are others than before, over both namespaces. */
  | {
      readonly kind: 'devices-changed'
      readonly jid: BareJid
      readonly added: readonly number[]
      readonly removed: readonly number[]
    }
  /**
   * A key that has spoken omemo:2 is only offered, or opens a session in, 0.3 now. Told once, and again only after omemo:2
   * was used with it in between.
   */
  | { readonly kind: 'downgraded'; readonly device: DeviceRef; readonly key: Key }
  /** Whom messages of a room are encrypted to is not who it was; told before anything is encrypted to them. */
  | {
      readonly kind: 'audience-changed'
      readonly room: BareJid
      readonly added: readonly BareJid[]
      readonly removed: readonly BareJid[]
    }
  /** A contact asks for plain text (XEP-0384 §5.7). */
  | { readonly kind: 'opted-out'; readonly jid: BareJid; readonly reason?: string | undefined }
  | {
      readonly kind: 'session'
      readonly device: DeviceRef
      readonly protocol: Namespace
      /** `opened` by us; `accepted` from them; `replaced`: theirs took the place of another. */
      readonly what: 'opened' | 'accepted' | 'replaced'
    }
  /**
   * A function given to `listen` has rejected, or the store has failed where nobody waits for it. The message `ref` stays
   * unsettled, and is given again: in the next session, at `tick`, and to whoever listens next.
   */
  | { readonly kind: 'listener-failed'; readonly ref?: string | undefined; readonly error: unknown }
  /** Somebody else acts under this device's id with its keys: a copied profile. See the README. */
  | { readonly kind: 'cloned'; readonly detail: string }
  /** This device has said more than its store remembers: a restored backup. All sessions were dropped. */
  | { readonly kind: 'rolled-back'; readonly detail: string }
  /** Catch-up has ended, on request or after `CATCH_UP_MS`. */
  | { readonly kind: 'caught-up' }
  | {
      readonly kind: 'progress'
      readonly work: 'pre-keys' | 'device-lists' | 'bundles' | 'sessions'
      readonly done: number
      readonly total: number
    }
  /** Something that waits in the queue could not be done; it is tried again unless `parked`. */
  | {
      readonly kind: 'follow-up-failed'
      readonly what: string
      readonly to: string
      readonly error: unknown
      readonly parked: boolean
    }
