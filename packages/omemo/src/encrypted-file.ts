/**
 * Encrypted files behind an HTTPS URL (XEP-0454): AES-256-GCM, its tag at the end of the file, IV and key in the anchor of a
 * URL of their own scheme, which travels in an encrypted body.
 *
 *     aesgcm://download.montague.tld/4a771ac1/tr%C3%A8s%20cool.jpg#8c3d050e9386ec173861778f68e9af38a97aaf82faa4063b…
 *             └──────── that of the https URL ───────────────────┘ └─── IV, 24 digits ───┘└─── key, 64 digits ───
 *
 * Who shows such a URL must not make it a link: a browser would tell the anchor to nobody, but people would.
 */
import { hex } from '@xmpp-e2e/xml'
import { aesGcm, GCM_TAG_LENGTH } from './aes.ts'
import type { Bytes, Random } from './bytes.ts'

/**
 * Bytes of a file that is encrypted in one piece: 100 MiB, of which two copies are in memory at a time. Services seldom
 * take more (XEP-0363 §4); GCM itself ends at 64 GiB.
 */
export const MAX_FILE_LENGTH = 104_857_600

/** Characters of a URL that is read: twice the 2048 that old servers and proxies take. */
export const MAX_URL_LENGTH = 4096

const KEY_LENGTH = 32
const IV_LENGTH = 12
/** Conversations wrote 16 bytes before 2020. */
const OLD_IV_LENGTH = 16

export interface FileKey {
  /** 32 bytes. */
  readonly key: Bytes
  /** 12 bytes; 16 in URLs of old clients. */
  readonly iv: Bytes
}

export interface EncryptedFile extends FileKey {
  /** With the tag: 16 bytes longer than the file. This is what is uploaded. */
  readonly ciphertext: Bytes
}

/** Encrypts under a fresh key. @throws RangeError when the file has more than `MAX_FILE_LENGTH` bytes */
export function encryptFile(bytes: Uint8Array, random: Random): EncryptedFile {
  if (bytes.length > MAX_FILE_LENGTH)
    throw new RangeError(`file: expected at most ${MAX_FILE_LENGTH} bytes, got ${bytes.length}`)
  const key = Uint8Array.from(random(KEY_LENGTH))
  const iv = Uint8Array.from(random(IV_LENGTH))
  const { ciphertext, tag } = aesGcm.encrypt(key, iv, bytes)
  const file = new Uint8Array(ciphertext.length + tag.length)
  file.set(ciphertext)
  file.set(tag, ciphertext.length)
  return { ciphertext: file, key, iv }
}

/** `undefined` for a file that is not the one the key was made for, or too long: show nothing of it. */
export function decryptFile(
  ciphertext: Uint8Array,
  { key, iv }: { readonly key: Uint8Array; readonly iv: Uint8Array },
): Bytes | undefined {
  assertKey(key, iv)
  const length = ciphertext.length - GCM_TAG_LENGTH
  if (length < 0 || length > MAX_FILE_LENGTH) return undefined
  return aesGcm.decrypt(key, iv, ciphertext.subarray(0, length), ciphertext.subarray(length))
}

/**
 * The URL for the body of a message, which should say nothing else.
 *
 * @param url Where the file is: HTTPS, without an anchor.
 * @throws RangeError for another URL, or a key or IV of a wrong length
 */
export function formatAesgcm(
  url: string,
  { key, iv }: { readonly key: Uint8Array; readonly iv: Uint8Array },
): string {
  assertKey(key, iv)
  const rest = /^https:(\/\/.*)$/is.exec(url)?.[1]
  const written =
    rest && `aesgcm:${rest}#${hex.encode(Uint8Array.from(iv))}${hex.encode(Uint8Array.from(key))}`
  if (written === undefined || parseAesgcm(written) === undefined)
    throw new RangeError('url: expected an https URL without an anchor')
  return written
}

export interface AesgcmUrl extends FileKey {
  /** The same under HTTPS, without the anchor. */
  readonly url: string
  /** What stands on a second line: `data:image/jpeg,…`, a thumbnail. Not checked further. */
  readonly thumbnail?: string | undefined
}

// RFC 3986 §2 in the path and query; no user in front of the host, which would make it look like another one.
const LINE =
  /^aesgcm:\/\/([a-z0-9.\-[\]:]+(?:[/?][a-z0-9\-._~:/?[\]@!$&'()*+,;=%]*)?)#((?:[0-9a-f]{8})?[0-9a-f]{88})$/i

const THUMBNAIL = /^data:image\/jpe?g[;,][a-z0-9+/=;,%]*$/i

/**
 * Reads a body that is such a URL and nothing else, or the URL and a thumbnail on a second line (§4): `undefined` for any
 * other text, which is to be shown as text.
 */
export function parseAesgcm(text: string): AesgcmUrl | undefined {
  const end = text.indexOf('\n')
  const line = end < 0 ? text : text.slice(0, end)
  const thumbnail = end < 0 ? undefined : text.slice(end + 1)
  if (line.length > MAX_URL_LENGTH || (thumbnail !== undefined && !THUMBNAIL.test(thumbnail)))
    return undefined
  const [, address, anchor] = LINE.exec(line) ?? []
  const bytes = anchor === undefined ? undefined : hex.decode(anchor)
  if (address === undefined || bytes === undefined) return undefined
  return {
    url: `https://${address}`,
    iv: bytes.slice(0, -KEY_LENGTH),
    key: bytes.slice(-KEY_LENGTH),
    ...(thumbnail !== undefined && { thumbnail }),
  }
}

function assertKey(key: Uint8Array, iv: Uint8Array): void {
  if (key.length !== KEY_LENGTH) throw new RangeError(`key: expected ${KEY_LENGTH} bytes, got ${key.length}`)
  if (iv.length !== IV_LENGTH && iv.length !== OLD_IV_LENGTH)
    throw new RangeError(`iv: expected ${IV_LENGTH} bytes, got ${iv.length}`)
}
