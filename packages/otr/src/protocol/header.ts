/**
 * What every encoded message begins with.
 *
 *     version 2:  00 02 ‖ BYTE type
 *     version 3:  00 03 ‖ BYTE type ‖ INT sender's instance tag ‖ INT receiver's instance tag
 *
 * Neither is authenticated during a key exchange; the MAC of a data message covers both.
 */
import { concatBytes } from '@noble/hashes/utils.js'
import { OtrError } from '../error.ts'
import type { Bytes, Random } from '../wire/bytes.ts'
import type { Reader } from '../wire/reader.ts'
import { byte, int, short } from '../wire/writer.ts'

/** The versions spoken here: 1 is insecure, 4 was never finished. */
export type Version = 2 | 3

const TYPES = { commit: 0x02, key: 0x0a, reveal: 0x11, signature: 0x12, data: 0x03 } as const
const TYPE_NAMES: ReadonlyMap<number, MessageType> = /* @__PURE__ */ new Map(
  Object.entries(TYPES).map(([name, code]) => [code, name as MessageType]),
)

/** D-H Commit, D-H Key, Reveal Signature, Signature, and Data Message. */
export type MessageType = keyof typeof TYPES

export interface Header {
  readonly version: Version
  readonly type: MessageType
  /** The instance that sends, 0 in version 2. */
  readonly sender: number
  /** The instance that is meant; 0 in version 2, and where a commit is for whoever answers. */
  readonly receiver: number
}

/** The smallest instance tag (Instance Tags); 0 stands for none. */
export const MIN_INSTANCE_TAG = 0x100
/** The largest tag that is drawn here: old otr4j, in Jitsi, refuses larger ones, though the protocol has them. */
const MAX_DRAWN_TAG = 0x1111_1111

/** A random tag of 32 bits, from 0x100, to be kept for one account on one device (Instance Tags). */
export function generateInstanceTag(random: Random): number {
  // Of 2³² numbers each tag gets 15 or 16: tags are no secret.
  const drawn = Array.from(random(4)).reduce((value, next) => value * 256 + next, 0)
  return MIN_INSTANCE_TAG + (drawn % (MAX_DRAWN_TAG - MIN_INSTANCE_TAG + 1))
}

/** @throws RangeError for a number that does not fit */
export function encodeHeader({ version, type, sender, receiver }: Header): Bytes {
  const start = concatBytes(short(version), byte(TYPES[type]))
  return version === 2 ? start : concatBytes(start, int(sender), int(receiver))
}

/**
 * @throws OtrError `version-unsupported`; `message-malformed` for a type that does not exist;
 *   `instance-tag-invalid`, also when a message that is no commit names no receiver
 */
export function readHeader(reader: Reader): Header {
  const version = reader.short()
  if (version !== 2 && version !== 3)
    throw new OtrError('version-unsupported', `message: version ${version}, expected 2 or 3`)
  const type = TYPE_NAMES.get(reader.byte())
  if (type === undefined) throw new OtrError('message-malformed', 'message: of no known type')
  if (version === 2) return { version, type, sender: 0, receiver: 0 }
  const sender = reader.int()
  const receiver = reader.int()
  const expectsReceiver = type !== 'commit' || receiver !== 0
  if (sender < MIN_INSTANCE_TAG || (expectsReceiver && receiver < MIN_INSTANCE_TAG))
    throw new OtrError('instance-tag-invalid', 'message: an instance tag is out of range')
  return { version, type, sender, receiver }
}
