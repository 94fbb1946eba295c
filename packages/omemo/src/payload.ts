/**
 * The payload: what a message says, encrypted once for all devices under a fresh key. The ratchet sessions then
 * carry the *key material* to each device.
 *
 *     0.3      AES-128-GCM(key 16, IV 12) → ciphertext ‖ tag 16;   key material = key ‖ tag
 *     omemo:2  HKDF(key 32, salt 00×32, "OMEMO Payload", 80) → encryption 32 ‖ authentication 32 ‖ IV 16
 *              AES-256-CBC → ciphertext;   key material = key ‖ HMAC-SHA-256(authentication, ciphertext)[:16]
 *
 * XEP-0384 0.9.1 §4.4 and §4.5; 0.3.0 §4.5 and §4.6. In 0.3 every recipient knows the GCM key and can, with the
 * help of a server, replace the ciphertext for other recipients under the same tag: GCM commits to nothing. The
 * HMAC of omemo:2 rules that out.
 */
import { equalBytes } from '@noble/ciphers/utils.js'
import { concatBytes, randomBytes } from '@noble/hashes/utils.js'
import { aesCbc, aesGcm, GCM_TAG_LENGTH } from './aes.ts'
import type { Bytes, Random } from './bytes.ts'
import { OmemoError } from './error.ts'
import { deriveCipherKeys, hmacSha256 } from './kdf.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from './protocol.ts'

/**
 * Largest payload, in bytes of ciphertext: 512 KiB are 683 KiB of base64, which leaves a third of the 1 MiB that a
 * stanza may have to 1000 keys of up to 330 bytes.
 */
export const MAX_PAYLOAD_LENGTH = 512 * 1024

/** What the ratchet carries, with what `<encrypted/>` shows beside it. `iv` exists in 0.3 only. */
export interface PayloadKey {
  readonly keyMaterial: Bytes
  readonly iv?: Bytes
}

export interface SealedPayload extends PayloadKey {
  readonly payload: Bytes
}

/** The same with bytes of any origin, as arguments. */
export interface OpenablePayload {
  readonly payload: Uint8Array
  readonly keyMaterial: Uint8Array
  readonly iv?: Uint8Array | undefined
}

/**
 * - `message`: open the payload.
 * - `empty`: omemo:2 without a payload. It manages the session and says nothing.
 * - `key-transport`: 0.3 without a payload. It carries a key for other uses (XEP-0396) and is also the empty message
 *   of that version, so nothing tells the two apart but who waits for a key.
 */
export type PayloadPurpose = 'message' | 'empty' | 'key-transport'

/** How one version encrypts payloads. */
export interface PayloadCipher {
  /**
   * Encrypts under a fresh key.
   *
   * @throws RangeError when the ciphertext would be longer than `MAX_PAYLOAD_LENGTH`
   */
  seal(plaintext: Uint8Array, random?: Random): SealedPayload
  /**
   * @throws OmemoError `payload-authentication-failed` when payload and key material do not belong together;
   *   `message-malformed` when one of them has a length that this version does not know
   */
  open(sealed: OpenablePayload): Bytes
  /** The key material of a message without payload. */
  empty(random?: Random): PayloadKey
  /**
   * @throws OmemoError `message-malformed` when the key material has a length that this version does not know, or is
   *   that of a payload which is missing (omemo:2; 0.3 cannot tell)
   */
  classify(received: { readonly hasPayload: boolean; readonly keyMaterial: Uint8Array }): PayloadPurpose
}

const AXOLOTL_KEY_LENGTH = 16
const AXOLOTL_MATERIAL_LENGTH = AXOLOTL_KEY_LENGTH + GCM_TAG_LENGTH
const AXOLOTL_IV_LENGTH = 12

/** `eu.siacs.conversations.axolotl`, 0.3.0 §4.5. The plaintext is the body in UTF-8: see `encodeBody`. */
export const axolotlPayload: PayloadCipher = {
  seal: sealGcm,

  open({ payload, keyMaterial, iv }) {
    checkPayload(payload)
    // 16 bytes would be the layout of before 2016, with the tag in the payload: any recipient could forge it.
    if (keyMaterial.length !== AXOLOTL_MATERIAL_LENGTH)
      throw malformed('header/key', `expected a key and tag of 32 bytes, got ${keyMaterial.length}`)
    const key = keyMaterial.subarray(0, AXOLOTL_KEY_LENGTH)
    const tag = keyMaterial.subarray(AXOLOTL_KEY_LENGTH)
    return authentic(aesGcm.decrypt(key, checkIv(iv), payload, tag))
  },

  /** 0.3.0 §4.6 asks for a tag here too: it is that of no ciphertext. */
  empty(random) {
    const { keyMaterial, iv } = sealGcm(new Uint8Array(), random)
    return { keyMaterial, iv }
  },

  classify({ hasPayload, keyMaterial: { length } }) {
    if (length === AXOLOTL_MATERIAL_LENGTH) return hasPayload ? 'message' : 'key-transport'
    if (length === AXOLOTL_KEY_LENGTH && !hasPayload) return 'key-transport'
    throw malformed('header/key', `unexpected key material of ${length} bytes`)
  },
}

function sealGcm(plaintext: Uint8Array, random: Random = randomBytes): Required<SealedPayload> {
  checkPlaintext(plaintext, MAX_PAYLOAD_LENGTH)
  const key = random(AXOLOTL_KEY_LENGTH)
  const iv = Uint8Array.from(random(AXOLOTL_IV_LENGTH))
  const { ciphertext, tag } = aesGcm.encrypt(key, iv, plaintext)
  return { payload: ciphertext, keyMaterial: concatBytes(key, tag), iv }
}

/**
 * Key material and IV that transport a key chosen elsewhere, for XEP-0396: the key alone, as Dino sends it, because
 * the tag is that of a file and travels with it. 0.3 only.
 *
 * @throws RangeError when the key has not 16 bytes or the IV neither 12 nor 16
 */
export function encodeKeyTransport(key: Uint8Array, iv: Uint8Array): Required<PayloadKey> {
  if (key.length !== AXOLOTL_KEY_LENGTH) throw new RangeError(`key: expected 16 bytes, got ${key.length}`)
  if (!isIvLength(iv.length)) throw new RangeError(`iv: expected 12 or 16 bytes, got ${iv.length}`)
  return { keyMaterial: Uint8Array.from(key), iv: Uint8Array.from(iv) }
}

/**
 * The key of a message that `classify` called a key transport: oldmemo and Dino send 16 bytes, Converse a tag too.
 *
 * @throws OmemoError `message-malformed` for an IV that is missing or has neither 12 nor 16 bytes
 */
export function decodeKeyTransport(received: {
  readonly keyMaterial: Uint8Array
  readonly iv?: Uint8Array | undefined
}): { readonly key: Bytes; readonly iv: Bytes } {
  axolotlPayload.classify({ hasPayload: false, keyMaterial: received.keyMaterial })
  const key = Uint8Array.from(received.keyMaterial.subarray(0, AXOLOTL_KEY_LENGTH))
  return { key, iv: Uint8Array.from(checkIv(received.iv)) }
}

const OMEMO_2_KEY_LENGTH = 32
const OMEMO_2_TAG_LENGTH = 16
const OMEMO_2_MATERIAL_LENGTH = OMEMO_2_KEY_LENGTH + OMEMO_2_TAG_LENGTH
const OMEMO_2_EMPTY_LENGTH = 32
const PAYLOAD_INFO = 'OMEMO Payload'

/** `urn:xmpp:omemo:2`, §4.4 and §4.5. The plaintext is an envelope: see `encodeEnvelope`. */
export const omemo2Payload: PayloadCipher = {
  seal(plaintext, random = randomBytes) {
    // Padding adds 1 to 16 bytes.
    checkPlaintext(plaintext, MAX_PAYLOAD_LENGTH - 1)
    const key = random(OMEMO_2_KEY_LENGTH)
    const { encryptionKey, authenticationKey, iv } = deriveCipherKeys(key, PAYLOAD_INFO)
    const payload = aesCbc.encrypt(encryptionKey, iv, plaintext)
    return { payload, keyMaterial: concatBytes(key, omemo2Tag(authenticationKey, payload)) }
  },

  open({ payload, keyMaterial }) {
    checkPayload(payload)
    if (keyMaterial.length !== OMEMO_2_MATERIAL_LENGTH)
      throw malformed('header/keys/key', `expected a key and HMAC of 48 bytes, got ${keyMaterial.length}`)
    const { encryptionKey, authenticationKey, iv } = deriveCipherKeys(
      keyMaterial.subarray(0, OMEMO_2_KEY_LENGTH),
      PAYLOAD_INFO,
    )
    const tag = keyMaterial.subarray(OMEMO_2_KEY_LENGTH)
    if (!equalBytes(omemo2Tag(authenticationKey, payload), tag)) return authentic(undefined)
    return authentic(aesCbc.decrypt(encryptionKey, iv, payload))
  },

  /** §5.5.3: 32 zero bytes. */
  empty: () => ({ keyMaterial: new Uint8Array(OMEMO_2_EMPTY_LENGTH) }),

  classify({ hasPayload, keyMaterial: { length } }) {
    if (length === OMEMO_2_MATERIAL_LENGTH) {
      // A key and an HMAC are of a payload: a server that takes it away must not make a message pass for an empty one.
      if (!hasPayload) throw malformed('payload', 'the payload of this key is missing')
      return 'message'
    }
    if (hasPayload) throw malformed('header/keys/key', `unexpected key material of ${length} bytes`)
    // Nothing is decrypted with it, so what else the ratchet carried does not matter.
    return 'empty'
  },
}

/** Both versions. */
export const payloadCiphers: Readonly<Record<Namespace, PayloadCipher>> = {
  [AXOLOTL]: axolotlPayload,
  [OMEMO_2]: omemo2Payload,
}

function omemo2Tag(authenticationKey: Uint8Array, ciphertext: Uint8Array): Bytes {
  return hmacSha256(authenticationKey, ciphertext).slice(0, OMEMO_2_TAG_LENGTH)
}

function checkPlaintext(plaintext: Uint8Array, max: number): void {
  if (plaintext.length > max)
    throw new RangeError(`plaintext: expected at most ${max} bytes, got ${plaintext.length}`)
}

function checkPayload(payload: Uint8Array): void {
  if (payload.length > MAX_PAYLOAD_LENGTH)
    throw malformed('payload', `expected at most ${MAX_PAYLOAD_LENGTH} bytes, got ${payload.length}`)
}

// Clients of before the change to 12 bytes still send 16.
function isIvLength(length: number): boolean {
  return length === 12 || length === 16
}

function checkIv(iv: Uint8Array | undefined): Uint8Array {
  if (iv === undefined) throw malformed('header/iv', 'the IV is missing')
  if (!isIvLength(iv.length)) throw malformed('header/iv', `expected 12 or 16 bytes, got ${iv.length}`)
  return iv
}

// One error for tag, padding and length: which of them failed is nobody's business.
function authentic(plaintext: Bytes | undefined): Bytes {
  if (plaintext === undefined)
    throw new OmemoError('payload-authentication-failed', 'the payload does not belong to its key')
  return plaintext
}

function malformed(path: string, message: string): OmemoError {
  return new OmemoError('message-malformed', `encrypted/${path}: ${message}`, { path: `encrypted/${path}` })
}
