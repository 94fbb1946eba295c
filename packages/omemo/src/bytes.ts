/**
 * A `Uint8Array` with the buffer type that the consumer's TypeScript gives it: `Uint8Array<ArrayBuffer>` since
 * 5.7, so that it can be handed to WebCrypto, and plain `Uint8Array` before.
 */
export type Bytes = ReturnType<typeof Uint8Array.of>

/** Gives that many fresh random bytes. The default everywhere is the platform's `crypto.getRandomValues`. */
export type Random = (length: number) => Uint8Array

/** Lexicographic order, for public values only: the time it takes depends on them. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Equality of public values; authentication tags are compared with noble's constant-time `equalBytes`. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return compareBytes(a, b) === 0
}

/** The number that bytes spell with the least significant one first. */
export function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number)
  return value
}

/**
 * A number from 0 to `count` − 1, from four random bytes: none is likelier than another by more than
 * `count` / 2³². For choices that are no secret.
 */
export function randomBelow(count: number, random: Random): number {
  const drawn = new DataView(Uint8Array.from(random(4)).buffer).getUint32(0)
  return Math.floor((drawn / 2 ** 32) * count)
}
