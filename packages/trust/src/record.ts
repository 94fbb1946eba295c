/** Records at rest: JSON in ASCII, so that a byte is a character and no host has to decode text. */

import type { BareJid, Bytes } from '@xmpp-e2e/xml'

/** JSON with everything outside ASCII escaped. */
export function toAscii(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** `undefined` for what is no JSON. */
export function fromAscii(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function toBytes(ascii: string): Bytes {
  const bytes = new Uint8Array(ascii.length)
  // `Uint8Array.from` walks code points: twenty times as slow, on a megabyte.
  for (let i = 0; i < bytes.length; i++) bytes[i] = ascii.charCodeAt(i)
  return bytes
}

export function fromBytes(bytes: Uint8Array): string {
  const parts: string[] = []
  // As many arguments as every engine takes.
  for (let i = 0; i < bytes.length; i += 4096) parts.push(String.fromCharCode(...bytes.subarray(i, i + 4096)))
  return parts.join('')
}

export const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** For thousands of rows: what was stored as an address was canonical, and reading each as a JID would cost the most. */
export const isAddress = (value: unknown): value is BareJid => isText(value)
