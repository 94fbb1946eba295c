import type { BareJid } from '@xmpp-e2e/xml'
import { isSameKey, type KeyRef } from './key.ts'
import type { Policy } from './policy.ts'

/** Who holds the keyring. */
export interface Endpoint {
  readonly account: BareJid
  /**
   * The namespace of the encryption, as in `Key.protocol` and in trust messages. Where several namespaces share their
   * keys, as in OMEMO, the one whose envelopes carry trust messages.
   */
  readonly protocol: string
  /** Of this endpoint's own key, in the form that `parseFingerprint` gives. */
  readonly fingerprint: string
  readonly policy: Policy
  /** Whether all endpoints of an account share one key, as in OX: XEP-0450 §4, "OOK". */
  readonly sharesKey?: boolean | undefined
}

/** Whether it is the key of this endpoint. */
export function isOwnKey({ account, fingerprint }: Endpoint, key: KeyRef): boolean {
  return isSameKey(key, { owner: account, fingerprint })
}
