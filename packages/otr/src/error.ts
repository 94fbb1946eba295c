/** What a peer or a stored file can cause. */
export type OtrErrorCode =
  /** Bytes or text that do not follow the wire format. */
  | 'message-malformed'
  /** Longer than `MAX_MESSAGE_BYTES`. */
  | 'message-too-big'
  /** A message of version 1, which is insecure, or of one that does not exist here. */
  | 'version-unsupported'
  /** An instance tag below 100 hexadecimal, or none where one is required. */
  | 'instance-tag-invalid'
  /** A Diffie-Hellman value outside 2 … p − 2, or outside the subgroup that g generates. */
  | 'group-element-invalid'
  /** A DSA key whose numbers are out of range or do not belong together. */
  | 'dsa-key-invalid'
  /** A file that libotr would not have written. */
  | 'file-malformed'
  /** A record of the store that this package has not written, or that was damaged. */
  | 'state-malformed'
  /** A record of a newer version of this package. */
  | 'state-version-unknown'

/** Every failure of this package that is not a mistake of the caller. What was read is not in the message. */
export class OtrError extends Error {
  override readonly name = 'OtrError'
  /** Stable, to be switched on; messages are not. */
  readonly code: OtrErrorCode

  constructor(code: OtrErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
