/** OpenPGP messages as XEP-0373 §3 wants them, and all that can be wrong with those that come in. */
import {
  createMessage,
  encrypt,
  encryptSessionKey,
  enums,
  generateSessionKey,
  type Message,
  Message as OpenpgpMessage,
  sign as openpgpSign,
  PacketList,
  type SessionKey,
} from 'openpgp'
import type { Bytes } from '../bytes.ts'
import { OxError } from '../error.ts'
import type { Certificate } from './certificate.ts'
import { assertCrypto, STRICT } from './config.ts'
import type { SecretKey } from './secret-key.ts'
import { dateFor, signingDate } from './validity.ts'

export { type OpenedMessage, openMessage, type Signature } from './opening.ts'

/** @internal Signed by the primary key, encrypted to all. @throws {OxError} what is wrong with a certificate */
export async function signcrypt(
  plaintext: Uint8Array,
  by: SecretKey,
  to: readonly Certificate[],
  now: number,
): Promise<Bytes> {
  return encrypted(await signed(plaintext, by, now), to, now)
}

/** @internal An inline-signed message, not encrypted. */
export async function sign(plaintext: Uint8Array, by: SecretKey, now: number): Promise<Bytes> {
  return (await signed(plaintext, by, now)).write() as Bytes
}

/** @internal Encrypted by nobody in particular. */
export async function crypt(plaintext: Uint8Array, to: readonly Certificate[], now: number): Promise<Bytes> {
  assertCrypto()
  return encrypted(await literal(plaintext, now), to, now)
}

async function literal(plaintext: Uint8Array, now: number): Promise<Message<Uint8Array>> {
  // As bytes, not as text: text signatures are for text, and their lines end otherwise.
  return createMessage({ binary: plaintext, date: new Date(now) })
}

async function signed(plaintext: Uint8Array, { key, certificate, isLocked }: SecretKey, now: number) {
  assertCrypto()
  if (isLocked) throw new OxError('key-locked', 'secret key: it is locked')
  const date = signingDate(key, now)
  const primary = await key.getSigningKey(key.getKeyID(), date, undefined, STRICT).catch(() => undefined)
  try {
    return await openpgpSign({
      message: await literal(plaintext, date.getTime()),
      signingKeys: key,
      // Some contacts know a key by its primary key only.
      signingKeyIDs: primary === undefined ? [] : [primary.getKeyID()],
      date,
      format: 'object',
      config: STRICT,
    })
  } catch (error) {
    const code = certificate.problem === 'algorithm-refused' ? 'algorithm-refused' : 'secret-key-malformed'
    throw new OxError(code, 'secret key: it cannot sign', { cause: error })
  }
}

/**
 * Each recipient at a time that suits the recipient: a key that was made in the future does not make another expire early. The
 * data is always in a packet of the old kind (SEIPD version 1), which everybody reads.
 */
async function encrypted(
  message: Message<Uint8Array>,
  to: readonly Certificate[],
  now: number,
): Promise<Bytes> {
  const dates = to.map(({ key }) => dateFor(key, now))
  const sessionKey = await sessionKeyFor(to, dates)
  const packets = new PacketList()
  const options = { ...sessionKey, format: 'object', config: STRICT } as const
  try {
    const keys = await Promise.all(
      to.map(({ key }, index) =>
        encryptSessionKey({ ...options, encryptionKeys: key, date: dates[index] ?? new Date(now) }),
      ),
    )
    packets.push(...keys.flatMap((message) => message.packets))
  } catch (error) {
    throw new OxError('certificate-malformed', 'certificate: it cannot be encrypted to', { cause: error })
  }
  const data = await encrypt({ message, sessionKey, date: new Date(now), format: 'object', config: STRICT })
  packets.push(...data.packets)
  return new OpenpgpMessage(packets).write() as Bytes
}

/** AES-256 if all have it in their preferences, otherwise AES-128, which all must have (RFC 9580 §9.3). */
async function sessionKeyFor(to: readonly Certificate[], dates: readonly Date[]): Promise<SessionKey> {
  const { aes128, aes256 } = enums.symmetric
  const preferences = await Promise.all(to.map(({ key }, index) => preferencesOf(key, dates[index])))
  const algorithm = preferences.every((list) => list.includes(aes256)) ? aes256 : aes128
  return generateSessionKey({
    encryptionKeys: [],
    config: { ...STRICT, preferredSymmetricAlgorithm: algorithm },
  })
}

async function preferencesOf(
  key: Certificate['key'],
  date: Date | undefined,
): Promise<readonly enums.symmetric[]> {
  try {
    const { selfCertification } = await key.getPrimaryUser(date, undefined, STRICT)
    return selfCertification.preferredSymmetricAlgorithms ?? []
  } catch {
    return []
  }
}
