import { base64, type Element } from '@xmpp-e2e/xml'
import type { Namespace } from '../../src/protocol.ts'
import { type Bundle, bundles } from '../../src/stanza/bundle.ts'
import { type DeviceList, deviceLists } from '../../src/stanza/device-list.ts'
import { type Encrypted, encryptedFormats } from '../../src/stanza/encrypted.ts'

/** The three tables behind one interface, for rows that name one. */
export const formats = {
  'device-list': (ns: Namespace) => ({
    decode: (el: Element): unknown => deviceLists[ns].decode(el),
    encode: (value: unknown) => deviceLists[ns].encode(value as DeviceList),
  }),
  bundle: (ns: Namespace) => ({
    decode: (el: Element): unknown => bundles[ns].decode(el),
    encode: (value: unknown) => bundles[ns].encode(value as Bundle),
  }),
  encrypted: (ns: Namespace) => ({
    decode: (el: Element): unknown => encryptedFormats[ns].decode(el),
    encode: (value: unknown) => encryptedFormats[ns].encode(value as Encrypted),
  }),
}

const BYTES = ['labelSignature', 'publicKey', 'signature', 'identityKey', 'data', 'iv', 'payload']

/** Vectors write bytes in base64: gives the same value with bytes. */
export function withBytes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, inner: unknown) =>
    BYTES.includes(key) && typeof inner === 'string' ? base64().decode(inner) : inner,
  )
}
