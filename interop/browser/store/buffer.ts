/** Of Node's `Buffer`, what `src/ratchet.ts` uses, which is written for processes. To be imported before it. */

const toBinary = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')

class Base64 extends Uint8Array {
  override toString(): string {
    return btoa(toBinary(this))
  }
}

Object.assign(globalThis, {
  Buffer: {
    from: (given: string | Uint8Array) =>
      Base64.from(typeof given === 'string' ? Array.from(atob(given), (c) => c.charCodeAt(0)) : given),
    concat: (parts: readonly Uint8Array[]) => Base64.from(parts.flatMap((part) => [...part])),
  },
})
