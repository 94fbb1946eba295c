/** What is remembered about our secret keys, which are records of their own. */
import {
  attr,
  codec,
  type Element,
  many,
  optional,
  parse,
  type Scalar,
  ShapeError,
  serialize,
  XmlError,
} from '@xmpp-e2e/xml'
import type { Bytes } from '../bytes.ts'
import { OxError } from '../error.ts'
import { RECORDS } from '../record.ts'
import { utf8 } from '../utf8.ts'

/** @internal */
export interface Self {
  /** Which key signs. */
  readonly signing: string | undefined
  /** Those that were announced, and are to stay in the list. */
  readonly announced: readonly string[]
  /** Those in the backup on the server. */
  readonly backedUp: readonly string[]
}

/** @internal 40 digits, or 64 of version 6. */
export const fingerprintScalar: Scalar<string> = {
  expected: 'a fingerprint in lower-case hex',
  decode: (text) => (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text) ? text : undefined),
  encode: (fingerprint) => fingerprint,
}

const named = (name: string) => codec(RECORDS, name, { fingerprint: attr('fingerprint', fingerprintScalar) })
const self = codec(RECORDS, 'self', {
  signing: optional(attr('signing', fingerprintScalar)),
  announced: many(named('announced')),
  backedUp: many(named('backed-up')),
})

/** @internal */
export function encodeSelf({ signing, announced, backedUp }: Self): Bytes {
  const refs = (fingerprints: readonly string[]) => fingerprints.map((fingerprint) => ({ fingerprint }))
  const value = { announced: refs(announced), backedUp: refs(backedUp) }
  return utf8(serialize(self.encode(signing === undefined ? value : { ...value, signing })))
}

/** @internal Of a record that may be absent. @throws OxError `state-malformed`, `state-version-unknown` */
export function decodeSelf(bytes: Uint8Array | undefined): Self {
  if (bytes === undefined) return { signing: undefined, announced: [], backedUp: [] }
  const { signing, announced, backedUp } = decodeRecord(bytes, self.decode)
  const names = (refs: readonly { readonly fingerprint: string }[]) =>
    refs.map(({ fingerprint }) => fingerprint)
  return { signing, announced: names(announced), backedUp: names(backedUp) }
}

const FAMILY = RECORDS.slice(0, RECORDS.lastIndexOf(':') + 1)

/** @internal A record that is an element. @throws OxError `state-malformed`, `state-version-unknown` */
export function decodeRecord<T>(bytes: Uint8Array, decode: (el: Element) => T): T {
  try {
    const el = parse(bytes)
    if (el.ns !== RECORDS && el.ns.startsWith(FAMILY))
      throw new OxError('state-version-unknown', `${el.name}: written by a newer version`)
    return decode(el)
  } catch (error) {
    if (error instanceof XmlError || error instanceof ShapeError)
      throw new OxError('state-malformed', 'a record that was damaged', { cause: error })
    throw error
  }
}
