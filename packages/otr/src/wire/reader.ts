/**
 * Reads the data types of OTR from the front of some bytes; `writer.ts` draws them. Nothing is read that is not
 * there: a length is compared with what remains before anything is taken or allocated.
 */

import { OtrError } from '../error.ts'
import type { Bytes } from './bytes.ts'
import { bytesToInteger } from './integer.ts'

/** Every method throws OtrError `message-malformed` when what it reads is not completely there. */
export interface Reader {
  /** How many bytes have been read. */
  readonly offset: number
  /** How many bytes have not been read. */
  readonly remaining: number
  byte(): number
  short(): number
  int(): number
  /** Exactly that many bytes, a copy. */
  bytes(length: number): Bytes
  /** A copy of what DATA holds; with `length`, exactly that many bytes. */
  data(length?: number): Bytes
  /** Leading zero bytes are read, as every implementation does. */
  mpi(): bigint
  /** 8 bytes. */
  ctr(): Bytes
  /** 20 bytes. */
  mac(): Bytes
  /** @throws OtrError `message-malformed` when there is something left */
  end(): void
}

/** `name` is what the bytes are, for messages of errors. */
export function reader(source: Uint8Array, name: string): Reader {
  let offset = 0

  function take(length: number): Uint8Array {
    if (length > source.length - offset)
      throw new OtrError('message-malformed', `${name}: ends within a field`)
    const taken = source.subarray(offset, offset + length)
    offset += length
    return taken
  }

  /** `>>> 0`, because a length above 2³¹ must not become a negative one. */
  function number(length: number): number {
    return take(length).reduce((value, next) => ((value << 8) | next) >>> 0, 0)
  }

  return {
    get offset() {
      return offset
    },
    get remaining() {
      return source.length - offset
    },
    byte: () => number(1),
    short: () => number(2),
    int: () => number(4),
    bytes: (length) => Uint8Array.from(take(length)),
    data(length) {
      const found = number(4)
      if (length !== undefined && found !== length)
        throw new OtrError('message-malformed', `${name}: a field has not ${length} bytes`)
      return Uint8Array.from(take(found))
    },
    mpi: () => bytesToInteger(take(number(4))),
    ctr: () => Uint8Array.from(take(8)),
    mac: () => Uint8Array.from(take(20)),
    end() {
      if (offset !== source.length) throw new OtrError('message-malformed', `${name}: goes on after its end`)
    },
  }
}
