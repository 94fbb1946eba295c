/** libotr's toolkit, from Debian, for who has read a conversation on its way; and the same by Node's own primitives. */
import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'

const HMAC_BYTES = 20
/** Of a revealed key. */
const KEY_BYTES = 20
const DATA = 3

/** A message as otr_parse shows it: its title, and what follows by name. */
export interface Shown {
  readonly title: string
  readonly fields: Readonly<Record<string, string>>
}

/** @throws {Error} when the toolkit cannot make anything of a text, with what it says */
export function parse(texts: readonly string[]): readonly Shown[] {
  const blocks = run('otr_parse', [], texts.join('\n')).trim().split('\n\n')
  return blocks.map((block) => {
    const [title = '', ...lines] = block.split('\n')
    const pairs = lines.map((line) => line.trim().split(/: ?/, 2) as [string, string])
    return { title: title.replace(/:$/, ''), fields: Object.fromEntries(pairs) }
  })
}

/** Replaces a part of a text of which only the place is known: by the MAC key alone. */
export function modify(text: string, macKey: string, from: string, to: string, offset: number): string {
  return run('otr_modify', [macKey, from, to, String(offset)], text).trim()
}

/** What a message says; `undefined` unless its MAC is right under the key that is derived from the cipher's. */
export function read(text: string, cipherKey: string): string | undefined {
  return /^Plaintext: ``(.*)''$/m.exec(run('otr_readforge', [cipherKey], text))?.[1]
}

/** Another text in the place of the message's. */
export function forge(text: string, cipherKey: string, says: string): string {
  // What it said comes first.
  return run('otr_readforge', [cipherKey, says], text).trim().split('\n').at(-1) ?? ''
}

function run(tool: string, args: readonly string[], input: string): string {
  const output = execFileSync(`/usr/bin/${tool}`, args, {
    input: `${input}\n`,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  return output.toString('utf8')
}

/** What is open in a data message, and where it is: offsets in its bytes. */
export interface Opened {
  readonly bytes: Buffer
  readonly senderKeyId: number
  readonly recipientKeyId: number
  /** Of both key ids, one behind the other. */
  readonly keyIdsAt: number
  readonly counterAt: number
  readonly macAt: number
  /** In hexadecimal digits. */
  readonly revealed: readonly string[]
}

/** `undefined` for what is no data message. */
export function open(text: string): Opened | undefined {
  const found = /^\?OTR:([A-Za-z0-9+/=]+)\.$/.exec(text)
  const bytes = Buffer.from(found?.[1] ?? '', 'base64')
  if (bytes.length < 3 || bytes[2] !== DATA) return undefined
  const version = bytes.readUInt16BE(0)
  const keyIdsAt = (version === 3 ? 11 : 3) + 1
  const counterAt = keyIdsAt + 8 + 4 + bytes.readUInt32BE(keyIdsAt + 8)
  const macAt = counterAt + 8 + 4 + bytes.readUInt32BE(counterAt + 8)
  const old = bytes.subarray(macAt + HMAC_BYTES + 4)
  return {
    bytes,
    senderKeyId: bytes.readUInt32BE(keyIdsAt),
    recipientKeyId: bytes.readUInt32BE(keyIdsAt + 4),
    keyIdsAt,
    counterAt,
    macAt,
    revealed: Array.from({ length: old.length / KEY_BYTES }, (_, i) =>
      old.subarray(KEY_BYTES * i, KEY_BYTES * (i + 1)).toString('hex'),
    ),
  }
}

function mac(bytes: Buffer, key: string): Buffer {
  return createHmac('sha1', Buffer.from(key, 'hex')).update(bytes).digest()
}

/** Whether the MAC of a data message is right under a key. */
export function verifies(text: string, macKey: string): boolean {
  const message = open(text)
  if (message === undefined) return false
  const { bytes, macAt } = message
  return mac(bytes.subarray(0, macAt), macKey).equals(bytes.subarray(macAt, macAt + HMAC_BYTES))
}

/** The message again under other key ids, with a counter that nobody has reached, and a MAC by another key. */
export function repeat(
  { bytes, keyIdsAt, counterAt, macAt }: Opened,
  macKey: string,
  senderKeyId: number,
  recipientKeyId: number,
): string {
  const authenticated = Buffer.from(bytes.subarray(0, macAt))
  authenticated.writeUInt32BE(senderKeyId, keyIdsAt)
  authenticated.writeUInt32BE(recipientKeyId, keyIdsAt + 4)
  authenticated.writeUInt32BE(0x7fff_ffff, counterAt)
  const all = Buffer.concat([authenticated, mac(authenticated, macKey), Buffer.alloc(4)])
  return `?OTR:${all.toString('base64')}.`
}
