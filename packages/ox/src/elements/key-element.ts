/**
 * A key on the server (XEP-0373 §4.1, §5.4):
 *
 *     urn:xmpp:openpgp:0:public-keys:1357B0…    <pubkey> <data>base64 of a certificate</data> </pubkey>
 *     urn:xmpp:openpgp:0:secret-key             <secretkey>base64 of an OpenPGP message</secretkey>
 */
import { base64, type Codec, codec, content, type Element, inside, ShapeError } from '@xmpp-e2e/xml'
import type { Bytes } from '../bytes.ts'
import { OxError, type OxErrorCode } from '../error.ts'
import { OX_NAMESPACE } from './content.ts'
import { KEY_LIST_NODE } from './key-list.ts'

/** Where the backup of secret keys is (XEP-0373 §5.1). */
export const SECRET_KEY_NODE = 'urn:xmpp:openpgp:0:secret-key'

const pubkey = codec(OX_NAMESPACE, 'pubkey', { data: inside('data', content(base64())) })
const secretkey = codec(OX_NAMESPACE, 'secretkey', { data: content(base64()) })

/** Of a fingerprint as it is advertised, or of one in lower case, which is written in upper case. */
export function publicKeyNode(fingerprint: string): string {
  return `${KEY_LIST_NODE}:${fingerprint.toUpperCase()}`
}

/** `<pubkey/>` of a certificate in binary form (XEP-0373 §4.1). */
export function encodePublicKey(certificate: Uint8Array): Element {
  return pubkey.encode({ data: certificate as Bytes })
}

/** Bytes, or the text of an armored key, which some clients publish. @throws {OxError} `certificate-malformed` */
export function decodePublicKey(el: Element): Bytes {
  return decoded(pubkey, el, 'certificate-malformed')
}

/** `<secretkey/>` of an OpenPGP message that is encrypted under a backup code (XEP-0373 §5.4). */
export function encodeSecretKey(message: Uint8Array): Element {
  return secretkey.encode({ data: message as Bytes })
}

/** @throws {OxError} `backup-malformed` */
export function decodeSecretKey(el: Element): Bytes {
  return decoded(secretkey, el, 'backup-malformed')
}

function decoded(as: Codec<{ readonly data: Bytes }>, el: Element, code: OxErrorCode): Bytes {
  try {
    return as.decode(el).data
  } catch (error) {
    if (error instanceof ShapeError) throw new OxError(code, error.message, { cause: error })
    throw error
  }
}
