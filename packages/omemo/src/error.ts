/** What a peer, a server or stored bytes can cause. The README says for each what to do. */
export type OmemoErrorCode =
  /** Bytes or an element that do not follow the wire format. */
  | 'message-malformed'
  /** A protocol version this package does not speak. */
  | 'version-unsupported'
  /** No key tried opens the message: MAC, padding and lengths look alike from outside. */
  | 'message-authentication-failed'
  /** Opened before, or so old that its key was dropped (`MAX_SKIPPED_KEYS`). Nothing authenticates this answer. */
  | 'message-duplicate'
  /** The message is further ahead than `MAX_MESSAGE_GAP`. */
  | 'message-gap-too-big'
  /** A message of an established session, and no session with that device. */
  | 'session-missing'
  /** A key exchange without a one-time prekey, which the specification tells to reject. */
  | 'pre-key-missing'
  /** A key exchange with a one-time prekey that was used before, or never was ours. */
  | 'pre-key-unknown'
  /** A key exchange with a signed prekey that is no longer, or never was ours. */
  | 'signed-pre-key-unknown'
  /** A public key that is not canonical, of small or mixed order, or gives an all-zero secret. */
  | 'key-invalid'
  /** Another identity key than the sessions with this device have, or our own. */
  | 'identity-mismatch'
  | 'bundle-malformed'
  | 'bundle-signature-invalid'
  | 'bundle-without-pre-keys'
  | 'device-list-malformed'
  /** The payload does not belong to the key that the ratchet gave. */
  | 'payload-authentication-failed'
  | 'envelope-malformed'
  /** An affix element contradicts what the stanza says. */
  | 'envelope-affix-mismatch'
  /** Stored bytes that this package did not write, or that were damaged. */
  | 'state-malformed'
  /** Stored bytes of a newer version of this package. */
  | 'state-version-unknown'
  /** The device has gone from the store: another tab or process has erased it. This instance is of no use any more. */
  | 'device-erased'

/** Every failure of this package that is not a mistake of the caller. */
export class OmemoError extends Error {
  override readonly name = 'OmemoError'
  readonly code: OmemoErrorCode
  /** The place in the input, such as `bundle/prekeys/pk[3]@id` or `OMEMOKeyExchange.ek`. */
  readonly path: string | undefined

  constructor(
    code: OmemoErrorCode,
    message: string,
    options: ErrorOptions & { readonly path?: string } = {},
  ) {
    super(message, options)
    this.code = code
    this.path = options.path
  }
}
