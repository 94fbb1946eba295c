/** Randomness is injected, and drawn by these. */

/** @internal What gives so many bytes from a cryptographically secure source; it may be an instance of a class. */
export interface Source {
  random(length: number): Uint8Array
}

/** @internal @throws {TypeError} when it gives more or fewer */
export function draw(source: Source, length: number): Uint8Array {
  const bytes = source.random(length)
  if (bytes.length !== length) throw new TypeError(`random: expected ${length} bytes`)
  return bytes
}

/** @internal Of a new store: 16 bytes, as 32 hexadecimal digits. @throws {TypeError} as `draw` */
export function drawId(source: Source): string {
  return hex(draw(source, 16))
}

/** @internal Two lower-case digits a byte. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
