/**
 * RFC 4648 §4 for what XMPP carries. Peers wrap lines (OpenPGP armor, libxml2) and some leave the padding
 * off (XEP-0384 0.3 clients), so white space and missing padding are read; anything else that is not
 * canonical is refused, because two spellings of one value defeat comparison and duplicate detection.
 */

/** `Uint8Array` on every TypeScript: 5.6 knows no `Uint8Array<ArrayBuffer>`, 5.9 wants one for WebCrypto. */
export type Bytes = ReturnType<typeof Uint8Array.of>

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

const VALUES: Readonly<Uint8Array> = /* @__PURE__ */ (() => {
  const values = new Uint8Array(128).fill(64)
  for (let i = 0; i < 64; i++) values[ALPHABET.charCodeAt(i)] = i
  return values
})()

/** With padding, without line breaks. */
export function encodeBase64(bytes: Uint8Array): string {
  const groups: string[] = []
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b, c] = [bytes[i], bytes[i + 1], bytes[i + 2]]
    const bits = (a << 16) | ((b ?? 0) << 8) | (c ?? 0)
    groups.push(
      ALPHABET.charAt(bits >> 18) +
        ALPHABET.charAt((bits >> 12) & 63) +
        (b === undefined ? '=' : ALPHABET.charAt((bits >> 6) & 63)) +
        (c === undefined ? '=' : ALPHABET.charAt(bits & 63)),
    )
  }
  return groups.join('')
}

/** `undefined` for a character outside the alphabet, misplaced padding, an impossible length or bits left over. */
export function decodeBase64(text: string): Bytes | undefined {
  const packed = text.replace(/[\t\n\r ]+/g, '')
  const padding = packed.endsWith('==') ? 2 : packed.endsWith('=') ? 1 : 0
  const length = packed.length - padding
  if (length % 4 === 1 || (padding > 0 && packed.length % 4 !== 0)) return undefined
  const bytes = new Uint8Array(Math.floor((length * 3) / 4))
  let bits = 0
  let held = 0
  let at = 0
  for (let i = 0; i < length; i++) {
    const value = VALUES[packed.charCodeAt(i)] ?? 64
    if (value === 64) return undefined
    bits = ((bits << 6) | value) & 0xffff
    held += 6
    if (held >= 8) {
      held -= 8
      bytes[at++] = bits >> held
    }
  }
  return (bits & ((1 << held) - 1)) === 0 ? bytes : undefined
}
