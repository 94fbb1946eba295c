/**
 * - `fingerprint-malformed`: what was pasted or scanned is no fingerprint of that kind.
 * - `uri-malformed`: not a URI that this package reads, or one that contradicts itself.
 * - `uri-without-keys`: a good `xmpp:` URI that says nothing about keys. Treat it as an ordinary link.
 * - `uri-wrong-owner`: the URI is about another address than the one that was expected. Nothing in it may be believed.
 * - `qr-too-long`: the text does not fit into a QR code.
 * - `record-malformed`: what is stored where a key or waiting statements should be was not written by this version of the
 *   package.
 */
export type TrustErrorCode =
  | 'fingerprint-malformed'
  | 'uri-malformed'
  | 'uri-without-keys'
  | 'uri-wrong-owner'
  | 'qr-too-long'
  | 'record-malformed'

/** Every failure of this package that is not a mistake of the caller. What was read is not in the message. */
export class TrustError extends Error {
  override readonly name = 'TrustError'
  readonly code: TrustErrorCode

  constructor(code: TrustErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
