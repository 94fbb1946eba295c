/**
 * A `Uint8Array` with the buffer type that the consumer's TypeScript gives it: `Uint8Array<ArrayBuffer>` since 5.7, and plain
 * `Uint8Array` before.
 */
export type Bytes = ReturnType<typeof Uint8Array.of>

/** Gives that many fresh random bytes. */
export type Random = (length: number) => Uint8Array
