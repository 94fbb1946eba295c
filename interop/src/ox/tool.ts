/** What tests want of a program that speaks OpenPGP and knows nothing of XMPP. */

/** A key as a program makes it unless told otherwise. Secret parts are under no passphrase. */
export interface ToolKey {
  /** Of the primary key, lower-case hex. */
  readonly fingerprint: string
  readonly certificate: Uint8Array
  readonly secret: Uint8Array
}

export interface OpenPgpTool {
  generate(userId: string): Promise<ToolKey>
  /** Encrypted, and signed if it is known by whom. */
  encrypt(plaintext: string, to: readonly Uint8Array[], by?: ToolKey): Promise<Uint8Array>
  sign(plaintext: string, by: ToolKey): Promise<Uint8Array>
  /**
   * The text of a message to one of its keys, or of one that is only signed.
   *
   * @throws {Error} unless it is signed with one valid signature by a key of `sender`, and by nobody without one
   */
  open(message: Uint8Array, own: ToolKey | undefined, sender: Uint8Array | undefined): Promise<string>
  /** Secret keys under a code. */
  seal(secrets: Uint8Array, code: string): Promise<Uint8Array>
  /** What is under a code. @throws {Error} */
  unseal(message: Uint8Array, code: string): Promise<Uint8Array>
  stop(): Promise<void>
}

/** `fpr:` lines of a listing, of which the first is the primary key's. */
export function fingerprintsOf(listing: string): readonly string[] {
  return [...listing.matchAll(/^fpr:+([0-9A-F]{40}):/gm)].map(([, hex = '']) => hex.toLowerCase())
}
