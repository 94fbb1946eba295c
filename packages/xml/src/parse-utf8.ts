/** UTF-8 as RFC 3629 has it, and no more: no overlong form, no surrogate, nothing above U+10FFFF. */

export class Utf8Decoder {
  #needed = 0
  #point = 0
  // What the next continuation byte may be; narrower after E0, ED, F0 and F4.
  #low = 0x80
  #high = 0xbf

  /** The text up to the first byte that is wrong. */
  decode(bytes: Uint8Array): { text: string; ok: boolean } {
    // One byte gives one unit at most, and four give two; a character may have begun in an earlier chunk.
    const units = new Uint16Array(bytes.length + 1)
    let length = 0
    let ok = true
    for (const byte of bytes) {
      if (this.#needed === 0) {
        if (byte < 0x80) units[length++] = byte
        else if (!this.#begin(byte)) {
          ok = false
          break
        }
        continue
      }
      if (byte < this.#low || byte > this.#high) {
        ok = false
        break
      }
      this.#low = 0x80
      this.#high = 0xbf
      this.#point = (this.#point << 6) | (byte & 0x3f)
      if (--this.#needed > 0) continue
      if (this.#point > 0xffff) {
        units[length++] = 0xd7c0 + (this.#point >> 10)
        units[length++] = 0xdc00 | (this.#point & 0x3ff)
      } else units[length++] = this.#point
    }
    return { text: toText(units.subarray(0, length)), ok }
  }

  /** Whether no character is half read. */
  get complete(): boolean {
    return this.#needed === 0
  }

  #begin(byte: number): boolean {
    if (byte < 0xc2 || byte > 0xf4) return false
    this.#needed = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3
    if (byte === 0xe0) this.#low = 0xa0
    if (byte === 0xed) this.#high = 0x9f
    if (byte === 0xf0) this.#low = 0x90
    if (byte === 0xf4) this.#high = 0x8f
    this.#point = byte & (0x3f >> this.#needed)
    return true
  }
}

// Engines limit the number of arguments of a call.
const ARGUMENTS = 8192

function toText(units: Uint16Array): string {
  let text = ''
  for (let i = 0; i < units.length; i += ARGUMENTS)
    text += String.fromCharCode(...units.subarray(i, i + ARGUMENTS))
  return text
}
