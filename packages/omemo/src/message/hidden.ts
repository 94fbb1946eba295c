/**
 * Messages whose key is not shown are kept for another decision, but not all of them: who is distrusted can go on writing,
 * and nobody settles what nobody sees. Which they are, of each account, is JSON, version 1, the oldest first.
 *
 * To commit nothing instead, and to have the stanza decrypted again after a decision, would lose more: a prekey that stays
 * is another's to use, a signed prekey is gone after a fortnight, no archive need have the stanza, and old message keys
 * would never be deleted.
 */
import type { Put, Reader } from '@xmpp-e2e/store'
import type { BareJid } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import { decodeRecord, encodeRecord, isList, isObject, isText, isWhole } from '../json-record.ts'
import { decodeKeys } from '../key-records.ts'
import { records } from '../record.ts'
import { readKept } from './kept.ts'

/** Messages of one account that are kept while they are not shown. */
export const MAX_HIDDEN = 100

/** Bytes of them, 2 MiB: two of the largest. The newest is kept in any case. */
export const MAX_HIDDEN_BYTES = 2_097_152

const shape = isObject({ kept: isList(isObject({ ref: isText, length: isWhole() })) })

/**
 * @internal Within a change: what is to be written with a message of `length` bytes that is kept and not shown, and which
 * older ones have to go. Those whose key is shown by now are a listener's to settle, and stay.
 *
 * @throws OmemoError `state-malformed`, `state-version-unknown`
 */
export async function hidden(
  { policy }: Account,
  reader: Reader,
  sender: BareJid,
  ref: string,
  length: number,
): Promise<{ readonly put: Put; readonly delete: readonly string[] }> {
  const name = records.hidden(sender)
  const [bytes] = await reader.read([name])
  const before = bytes === undefined ? [] : decodeRecord(bytes, 'hidden messages', shape).kept
  const all = [...before.filter((one) => one.ref !== ref), { ref, length }]
  let room = MAX_HIDDEN_BYTES - length
  let count = 1
  while (count < Math.min(all.length, MAX_HIDDEN) && room >= (all.at(-count - 1)?.length ?? 0))
    room -= all.at(-++count)?.length ?? 0
  const old = all.slice(0, -count).map((one) => one.ref)
  const [stored, [keys]] = [await readKept(reader, old), await reader.read([records.keysOf(sender)])]
  const shown = new Set(
    decodeKeys(keys).flatMap(({ fingerprint, level }) => (policy.mayShow(level) ? fingerprint : [])),
  )
  return {
    put: [name, encodeRecord({ kept: all.slice(-count) })],
    delete: old.filter((_, i) => !shown.has(stored[i]?.fingerprint ?? '')).map(records.kept),
  }
}
