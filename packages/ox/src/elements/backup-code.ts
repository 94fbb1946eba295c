/** `TWNK-KD5Y-MT3T-E1GS-DRDB-KVTW` (XEP-0373 §5.4): 24 of 34 characters, 122 bits; the dashes are part of it. */
import type { Random } from '../bytes.ts'

export function generateBackupCode(_random: Random): string {
  throw new Error('to be written')
}

/** What a person may have meant, the most likely first: as typed, trimmed, in capitals, grouped anew, and as old clients did. */
export function backupCodesOf(_typed: string): readonly string[] {
  throw new Error('to be written')
}
