export type { Bytes } from './base64.ts'
export { type Closing, closing } from './closing.ts'
export {
  attr,
  type Codec,
  codec,
  content,
  type Field,
  type Fields,
  type Infer,
  inside,
  many,
  one,
  optional,
  type Part,
  payload,
  type ValueOf,
} from './codec.ts'
export {
  type Connection,
  type ConnectionCode,
  ConnectionError,
  type GuardOptions,
  guard,
  type Listener,
  REQUEST_TIMEOUT_MS,
  type RequestOptions,
  type Signal,
  type Wire,
} from './connection.ts'
export { DELAY_NAMESPACE, type Delay, delay, delaysOf, MAX_DELAYS } from './delay.ts'
export {
  type Attrs,
  type AttrsInput,
  type Builder,
  type Child,
  child,
  children,
  type Element,
  element,
  elements,
  equal,
  type Node,
  ns,
  text,
} from './element.ts'
export { EME_NAMESPACE, type Encryption, encryption, encryptionName, encryptionOf } from './eme.ts'
export { type ShapeCode, ShapeError, type XmlCondition, XmlError } from './error.ts'
export type { ForgedCode } from './forwarded.ts'
export { HINTS_NAMESPACE, type Hint, hint, hintsOf } from './hints.ts'
export {
  type BareJid,
  bare,
  bareJid,
  type FullJid,
  type Jid,
  type JidCode,
  JidError,
  jid,
  MAX_JID_PART,
  parseJid,
} from './jid.ts'
export { LIMITS, type Limits } from './limits.ts'
export { MAX_OCCUPANTS, type Occupants, occupants } from './occupants.ts'
export { parse } from './parse.ts'
export type { StreamEvent } from './parse-tree.ts'
export { StanzaReader, type StanzaReaderOptions } from './reader.ts'
export {
  type Channel,
  EARLIEST_SENT,
  MAX_STANZA_IDS,
  type NotReceived,
  type Received,
  type ReceiveOptions,
  receive,
  type Sender,
  vouch,
} from './received.ts'
export { base64, bool, dateTime, hex, type Scalar, string, uint } from './scalar.ts'
export { serialize } from './serialize.ts'
export { isAllowedContent } from './server-processed.ts'
export { STANZA_ERROR_NAMESPACE, StanzaError, type StanzaErrorType, stanzaErrorOf } from './stanza-error.ts'
export { untilSession } from './until-session.ts'
export { withContent } from './with-content.ts'
