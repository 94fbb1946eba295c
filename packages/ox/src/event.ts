/** What happens besides sending and receiving; plain data, told after what caused it is stored. */
import type { Key, Level } from '@xmpp-e2e/trust'
import type { BareJid } from '@xmpp-e2e/xml'

/** Told to those who listen with `on`; the README says for each what to do. */
export type OxEvent =
  /** A key that was never seen before; its level is what the policy gave it. */
  | { readonly kind: 'key-met'; readonly key: Key }
  /** A decision has changed what is known of a key. */
  | { readonly kind: 'key-changed'; readonly key: Key; readonly previous: Level }
  /** An account announces other keys than before. */
  | {
      readonly kind: 'keys-changed'
      readonly jid: BareJid
      readonly added: readonly string[]
      readonly removed: readonly string[]
    }
  /** The owner of a key has revoked it, or let it expire; `hard`: it may have been stolen, and nothing it signed counts. */
  | {
      readonly kind: 'certificate-changed'
      readonly key: Key
      readonly state: 'expired' | 'revoked' | 'revoked-hard'
    }
  /** The account announces a key that is not here: another client of ours has made one, or somebody else has. */
  | { readonly kind: 'own-key-elsewhere'; readonly fingerprint: string }
  /** Our key was taken off the account's list; it is announced again, unless that has happened too often. */
  | { readonly kind: 'own-key-removed'; readonly fingerprint: string; readonly announcedAgain: boolean }
  /** The backup on the server does not hold all secret keys that are here. */
  | { readonly kind: 'backup-stale' }
  /** The server keeps a node otherwise than it should be: `unmet` are fields of the configuration. */
  | { readonly kind: 'server-limited'; readonly node: string; readonly unmet: readonly string[] }
  /** Whom messages of a room are encrypted to is not who it was; told before anything is encrypted to them. */
  | {
      readonly kind: 'audience-changed'
      readonly room: BareJid
      readonly added: readonly BareJid[]
      readonly removed: readonly BareJid[]
    }
  /** Something that nobody waits for has failed; it is tried again in the next session, or at `tick`. */
  | { readonly kind: 'background-failed'; readonly what: 'announce' | 'refresh'; readonly error: unknown }
