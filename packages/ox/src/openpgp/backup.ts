/** The backup of secret keys: an OpenPGP message under a code (XEP-0373 §5.4). */
import { createMessage, decrypt, encrypt, type Message, readMessage } from 'openpgp'
import type { Bytes } from '../bytes.ts'
import { MAX_MESSAGE_BYTES } from '../elements/openpgp-element.ts'
import { OxError } from '../error.ts'
import { dearmored } from './armor.ts'
import { assertCrypto, STRICT } from './config.ts'
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

/** Anew for each code: opening a message uses it up. */
async function parsed(bytes: Uint8Array): Promise<Message<Uint8Array>> {
  let message: Message<Uint8Array>
  try {
    message = await readMessage({ binaryMessage: bytes, config: STRICT })
  } catch (error) {
    throw malformed('no OpenPGP message', error)
  }
  return message
}

async function unsealed(message: Message<Uint8Array>, code: string): Promise<Uint8Array | undefined> {
  try {
    const date = EPOCH
    const { data } = await decrypt({ message, passwords: [code], format: 'binary', date, config: STRICT })
    return data as Uint8Array
  } catch {
    return undefined
  }
}

function malformed(message: string, cause?: unknown): OxError {
  return new OxError('backup-malformed', `backup: ${message}`, { cause })
}
