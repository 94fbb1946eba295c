/** What a peer, a server, a person or stored bytes can cause. The README says for each what to do. */
export type OxErrorCode =
  /** An element, base64 or an OpenPGP packet that does not follow its format. */
  | 'message-malformed'
  /** Longer than `MAX_MESSAGE_BYTES`. */
  | 'message-too-big'
  | 'key-list-malformed'
  | 'certificate-malformed'
  /** The certificate that was served or given is not the one that was asked for. */
  | 'fingerprint-mismatch'
  /** No user ID that its owner has signed names the address (XEP-0373 §5). */
  | 'user-id-missing'
  /** An algorithm, or a size of a key, that is refused: SHA-1, DSA, RSA below 2048 bits, and the like. */
  | 'algorithm-refused'
  /** What was given as a secret key is none. */
  | 'secret-key-malformed'
  /** A passphrase is needed, or this is not the one. */
  | 'key-locked'
  | 'passphrase-wrong'
  /** There is no such key here. */
  | 'key-missing'
  /** Backup codes are 24 characters that a generator chose (XEP-0373 §5.4). */
  | 'backup-code-wrong'
  | 'backup-missing'
  | 'backup-malformed'
  /** The platform has no WebCrypto, which openpgp needs: in browsers, a page that is not from a secure origin. */
  | 'crypto-unavailable'
  /** Stored bytes that this package did not write, or that were damaged. */
  | 'state-malformed'
  /** Stored bytes of a newer version of this package. */
  | 'state-version-unknown'

/** Every failure of this package that is not a mistake of the caller. Nothing secret is in it. */
export class OxError extends Error {
  override readonly name = 'OxError'
  readonly code: OxErrorCode

  constructor(code: OxErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
