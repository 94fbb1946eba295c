/**
 * Which messages of an account were opened lately. A ratchet forgets the chains that have ended, and a session that was
 * dropped all of them; then a message that comes again looks like one that cannot be opened. XEP-0384 §6: of one that was
 * "already decrypted once, the client MUST ignore the decryption failure". At rest, version 1, the oldest first:
 *
 *     version 1 ‖ { first 8 bytes of a ref } …
 */
import { hexToBytes } from '@noble/hashes/utils.js'
import { type Bytes, sameBytes } from '../bytes.ts'
import { ByteReader, ByteWriter } from '../state-bytes.ts'

/**
 * Messages remembered of each account: ten pages of an archive. 500 × 8 bytes = 4 kB, written with each message. Two that
 * look alike cost no more than the word why one of them cannot be read.
 */
export const MAX_SEEN = 500

const SEEN_VERSION = 1
const LENGTH = 8

/** @internal The record with one more. @throws OmemoError `state-malformed`, `state-version-unknown` */
export function withSeen(record: Uint8Array | undefined, ref: string): Bytes {
  const writer = new ByteWriter().byte(SEEN_VERSION)
  for (const mark of [...decodeSeen(record), markOf(ref)].slice(-MAX_SEEN)) writer.bytes(mark)
  return writer.finish()
}

/** @internal Whether one of them was opened. @throws OmemoError `state-malformed`, `state-version-unknown` */
export function hasSeen(record: Uint8Array | undefined, refs: readonly string[]): boolean {
  const marks = refs.map(markOf)
  return decodeSeen(record).some((one) => marks.some((mark) => sameBytes(mark, one)))
}

/** @internal */
export function decodeSeen(record: Uint8Array | undefined): readonly Bytes[] {
  if (record === undefined) return []
  const reader = new ByteReader(record, 'seen messages')
  reader.version(SEEN_VERSION)
  const count = (record.length - 1) / LENGTH
  if (count > MAX_SEEN) throw reader.malformed('too many')
  const marks: Bytes[] = []
  while (marks.length < count) marks.push(reader.bytes(LENGTH))
  reader.finish()
  return marks
}

function markOf(ref: string): Bytes {
  return Uint8Array.from(hexToBytes(ref)).slice(0, LENGTH)
}
