/** The backup of secret keys: an OpenPGP message under a code (XEP-0373 §5.4). */
import { createMessage, decrypt, encrypt, enums, type Message, readMessage } from 'openpgp'
import type { Bytes } from '../bytes.ts'
import { MAX_MESSAGE_BYTES } from '../elements/openpgp-element.ts'
import { OxError } from '../error.ts'
import { dearmored } from './armor.ts'
import { assertCrypto, MAX_ARGON2_MEMORY_EXPONENT, STRICT } from './config.ts'
import { readSecretKeys, type SecretKey } from './secret-key.ts'

/** @internal Unlocked keys, written without passphrases, one after the other. */
export async function sealBackup(keys: readonly SecretKey[], code: string): Promise<Bytes> {
  assertCrypto()
  if (keys.some(({ isLocked }) => isLocked)) throw new OxError('key-locked', 'backup: a key is locked')
  const written = keys.map(({ key }) => key.write())
  const all = new Uint8Array(written.reduce((length, bytes) => length + bytes.length, 0))
  let offset = 0
  for (const bytes of written) {
    all.set(bytes, offset)
    offset += bytes.length
  }
  const message = await createMessage({ binary: all, date: EPOCH })
  return (await encrypt({ message, passwords: [code], format: 'binary', config: STRICT })) as Bytes
}

/** When the backup was made is nobody's business. */
const EPOCH = new Date(0)

/** @internal Tries the codes in turn. @throws {OxError} `backup-code-wrong`, `backup-malformed`, `secret-key-malformed` */
export async function openBackup(
  message: Uint8Array,
  codes: readonly string[],
  now: number,
): Promise<readonly SecretKey[]> {
  assertCrypto()
  if (message.length > MAX_MESSAGE_BYTES) throw malformed(`longer than ${MAX_MESSAGE_BYTES} bytes`)
  const [block] = dearmored(message)
  const bytes = block?.bytes ?? new Uint8Array()
  for (const code of codes) {
    const keys = await unsealed(await parsed(bytes), code)
    if (keys !== undefined) return readSecretKeys(keys, now)
  }
  throw new OxError('backup-code-wrong', 'backup: it is under another code')
}

/** Packets of session keys in a backup, each of which is tried with each code; one is usual. */
const MAX_PASSWORDS = 4

/** Anew for each code: opening a message uses it up. */
async function parsed(bytes: Uint8Array): Promise<Message<Uint8Array>> {
  let message: Message<Uint8Array>
  try {
    message = await readMessage({ binaryMessage: bytes, config: STRICT })
  } catch (error) {
    throw malformed('no OpenPGP message', error)
  }
  const passwords = message.packets.filterByTag(enums.packet.symEncryptedSessionKey)
  if (passwords.length === 0 || passwords.length > MAX_PASSWORDS || !isProtected(message))
    throw malformed('not encrypted under a code')
  if (passwords.some((packet) => argon2CostOf(packet.write()) > MAX_ARGON2_COST))
    throw malformed('its key derivation takes too long')
  return message
}

function isProtected({ packets }: Message<Uint8Array>): boolean {
  const { symEncryptedIntegrityProtectedData, aeadEncryptedData } = enums.packet
  return packets.filterByTag(symEncryptedIntegrityProtectedData, aeadEncryptedData).length === 1
}

/** KiB times passes: four over 128 MiB, which take about a second. */
const MAX_ARGON2_COST = 4 * 2 ** MAX_ARGON2_MEMORY_EXPONENT

/**
 * What is derived from a password is as costly as the writer of the message likes (RFC 9580 §3.7.1.4):
 *
 *     version 4: 4, cipher, specifier    version 5: 5, cipher, AEAD, specifier    version 6: 6, length, cipher, AEAD, length, specifier
 *     specifier of Argon2: 4, salt (16 bytes), passes, parallelism, memory exponent
 */
function argon2CostOf(packet: Uint8Array): number {
  const start = { 4: 2, 5: 3, 6: 5 }[packet[0] ?? 0] ?? 0
  if (packet[start] !== 4) return 0
  return (packet[start + 17] ?? 0) * 2 ** (packet[start + 19] ?? 0)
}

async function unsealed(message: Message<Uint8Array>, code: string): Promise<Uint8Array | undefined> {
  try {
    const date = EPOCH
    const { data } = await decrypt({ message, passwords: [code], format: 'binary', date, config: STRICT })
    return data as Uint8Array
  } catch (error) {
    // A wrong code and a damaged message look alike, but for what only shows once it was decrypted.
    if (
      error instanceof Error &&
      /decompressed message size|unexpected packet|not allowed in this context/i.test(error.message)
    )
      throw malformed('not of secret keys', error)
    return undefined
  }
}

function malformed(message: string, cause?: unknown): OxError {
  return new OxError('backup-malformed', `backup: ${message}`, { cause })
}
