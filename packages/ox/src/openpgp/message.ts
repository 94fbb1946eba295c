/** OpenPGP messages as XEP-0373 §3 wants them, and all that can be wrong with those that come in. */
import type { Bytes } from '../bytes.ts'
import type { UnreadableCode, WarningCode } from '../outcome.ts'
import type { Certificate } from './certificate.ts'
import type { SecretKey } from './secret-key.ts'

/** @internal Signed by the primary key, encrypted to all. @throws {OxError} what is wrong with a certificate */
export async function signcrypt(
  _plaintext: Uint8Array,
  _by: SecretKey,
  _to: readonly Certificate[],
  _now: number,
): Promise<Bytes> {
  throw new Error('to be written')
}

/** @internal An inline-signed message, not encrypted. */
export async function sign(_plaintext: Uint8Array, _by: SecretKey, _now: number): Promise<Bytes> {
  throw new Error('to be written')
}

/** @internal Encrypted by nobody in particular. */
export async function crypt(
  _plaintext: Uint8Array,
  _to: readonly Certificate[],
  _now: number,
): Promise<Bytes> {
  throw new Error('to be written')
}

/** @internal Who signed, as far as the sender's certificates say. */
export type Signature =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'valid'
      /** Of the primary key. */
      readonly fingerprint: string
      readonly signedAt: Date
      readonly warnings: readonly Extract<
        WarningCode,
        'certificate-expired' | 'certificate-revoked' | 'binding-reformatted'
      >[]
    }
  | {
      readonly kind: 'invalid'
      readonly code: Extract<
        UnreadableCode,
        'signature-invalid' | 'signature-from-future' | 'signer-unknown' | 'algorithm-refused'
      >
    }

/** @internal */
export type OpenedMessage =
  | {
      readonly kind: 'opened'
      readonly encrypted: boolean
      /** The best of all: one valid signature by the sender suffices. */
      readonly signature: Signature
      readonly plaintext: Bytes
    }
  | { readonly kind: 'locked'; readonly fingerprints: readonly string[] }
  | {
      readonly kind: 'failed'
      readonly code: Extract<
        UnreadableCode,
        | 'message-malformed'
        | 'message-too-big'
        | 'message-damaged'
        | 'not-for-us'
        | 'algorithm-refused'
        | 'crypto-unavailable'
      >
    }

/**
 * @internal Opens a message with whichever of our keys it is for, and looks at its signatures by the certificates of the
 * sender, and by no others. `isArchived` lets a signature count that is older than its key's present binding.
 */
export async function openMessage(
  _bytes: Uint8Array,
  _own: readonly SecretKey[],
  _sender: readonly Certificate[],
  _options: { readonly now: number; readonly isArchived: boolean },
): Promise<OpenedMessage> {
  throw new Error('to be written')
}
