export type { Bytes } from './base64.ts'
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
export { type ShapeCode, ShapeError, type XmlCondition, XmlError } from './error.ts'
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
export { parse } from './parse.ts'
export { type Event, LIMITS, type Limits } from './parse-tree.ts'
export { StanzaReader, type StanzaReaderOptions } from './reader.ts'
export { base64, bool, dateTime, hex, type Scalar, string, uint } from './scalar.ts'
export { serialize } from './serialize.ts'
