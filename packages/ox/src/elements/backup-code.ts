/** `TWNK-KD5Y-MT3T-E1GS-DRDB-KVTW` (XEP-0373 §5.4): 24 of 34 characters, 122 bits; the dashes are part of it. */
import type { Random } from '../bytes.ts'

const ALPHABET = '123456789ABCDEFGHIJKLMNPQRSTUVWXYZ'
const LENGTH = 24
/** The largest multiple of 34 in a byte: what is beyond would make some characters likelier. */
const FAIR = Math.floor(256 / ALPHABET.length) * ALPHABET.length

/** A code for a backup: to be shown to a person once, and kept nowhere (XEP-0373 §5.4). */
export function generateBackupCode(random: Random): string {
  let characters = ''
  while (characters.length < LENGTH)
    for (const byte of random(LENGTH))
      if (byte < FAIR && characters.length < LENGTH) characters += ALPHABET.charAt(byte % ALPHABET.length)
  return grouped(characters)
}

function grouped(characters: string): string {
  return characters.replace(/.{4}(?=.)/g, '$&-')
}

/** What a person may have meant, the most likely first: as typed, trimmed, in capitals, grouped anew, and as Fluux once made keys of it. */
export function backupCodesOf(typed: string): readonly string[] {
  const trimmed = typed.trim()
  const capitals = trimmed.toUpperCase()
  const characters = capitals.replace(/[\s-]+/g, '')
  const regrouped = characters.length === LENGTH ? [grouped(characters)] : []
  const legacy = trimmed.normalize('NFKD').toLowerCase().replace(/\s+/g, ' ')
  return [...new Set([typed, trimmed, capitals, ...regrouped, legacy])]
}
