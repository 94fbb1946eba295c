/**
 * The vocabulary of stored state: bytes of known length, varints, flags. Nothing here names a field, the
 * records that use it draw theirs.
 */
import type { Bytes } from './bytes.ts'
import { OmemoError } from './error.ts'

/** 2⁵³ − 1 in groups of seven bits. */
const MAX_VARINT_LENGTH = 8

export class ByteWriter {
  readonly #parts: Uint8Array[] = []

  byte(value: number): this {
    this.#parts.push(Uint8Array.of(value))
    return this
  }

  bytes(value: Uint8Array): this {
    this.#parts.push(value)
    return this
  }

  /** 0 … 2⁵³ − 1, base 128, least significant group first. */
  varint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`varint: ${value}`)
    let rest = value
    while (rest > 0x7f) {
      this.byte((rest % 0x80) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    return this.byte(rest)
  }

  finish(): Bytes {
    // Not as arguments of one call: prekeys at their limit are more parts than a call stack holds.
    const all = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of this.#parts) {
      all.set(part, at)
      at += part.length
    }
    return all
  }
}

/** Reads what `ByteWriter` wrote. Every method throws OmemoError `state-malformed` with the offset in its path. */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #name: string
  #at = 0

  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes
    this.#name = name
  }

  /** @throws OmemoError `state-version-unknown` for a later version */
  version(newest: number): number {
    const version = this.byte()
    if (version > newest)
      throw new OmemoError(
        'state-version-unknown',
        `${this.#name}: version ${version} is newer than this package`,
      )
    if (version === 0) throw this.malformed('version 0')
    return version
  }

  byte(): number {
    return this.bytes(1)[0] as number
  }

  flag(): boolean {
    const value = this.byte()
    if (value > 1) throw this.malformed('a flag is 0 or 1')
    return value === 1
  }

  bytes(length: number): Bytes {
    const end = this.#at + length
    if (end > this.#bytes.length) throw this.malformed('truncated')
    const value = Uint8Array.from(this.#bytes.subarray(this.#at, end))
    this.#at = end
    return value
  }

  varint(max: number = Number.MAX_SAFE_INTEGER): number {
    let value = 0
    for (let i = 0; i < MAX_VARINT_LENGTH; i++) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** (7 * i)
      if (byte > 0x7f) continue
      if (value > max || (i > 0 && byte === 0)) break
      return value
    }
    throw this.malformed('number out of range')
  }

  /** Refuses bytes that are left over. */
  finish(): void {
    if (this.#at !== this.#bytes.length) throw this.malformed('trailing bytes')
  }

  malformed(message: string): OmemoError {
    return new OmemoError('state-malformed', `${this.#name}: ${message}`, {
      path: `${this.#name}@${this.#at}`,
    })
  }
}
