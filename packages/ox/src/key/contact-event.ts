/** What a server tells of an account's list without being asked (XEP-0373 §4.5). */
import type { PepEvent } from '@xmpp-e2e/disco/pep'
import { type Account, change } from '../account.ts'
import { decodeKeyList } from '../elements/key-list.ts'
import { OxError } from '../error.ts'
import { records } from '../record.ts'
import { type ContactRecord, decodeContact, encodeContact } from './contact-record.ts'
import { refreshContact } from './contact-refresh.ts'

/**
 * @internal What a server tells of a contact's list, with or without saying what it is. One that says what is known costs no
 * request; else the list is read, since a notification can be older than what is known.
 */
export async function onContactEvent(account: Account, event: PepEvent): Promise<void> {
  const { owner } = event
  const isNews = await change(account, [records.contact(owner)], ([bytes]) => {
    // Of those who were never written to, nothing is kept: anybody in the roster could fill the store.
    if (bytes === undefined) return { result: false }
    const { freshUntil: _, ...record } = decodeContact(bytes)
    if (saysWhatIsKnown(event, record)) return { result: false }
    return { put: [[records.contact(owner), encodeContact(record)]], result: true }
  })
  if (!isNews) return
  // What is being read already may be the list from before.
  await account.refreshing.get(owner)?.catch(() => {})
  await refreshContact(account, owner, {})
}

/** @internal */
export function saysWhatIsKnown(event: PepEvent, { problem, keys }: ContactRecord): boolean {
  const payload = event.kind === 'items' ? event.items.at(-1)?.payload : undefined
  if (payload === undefined || problem !== undefined) return false
  const listed = new Map(keys.filter((key) => key.listed).map((key) => [key.fingerprint, key]))
  try {
    const { entries } = decodeKeyList(payload)
    return (
      entries.length === listed.size &&
      entries.every(({ fingerprint, date }) => {
        const key = listed.get(fingerprint)
        const isSame = date !== undefined && key?.date?.getTime() === date.getTime()
        return isSame && key?.problem === undefined
      })
    )
  } catch (error) {
    if (error instanceof OxError) return false
    throw error
  }
}
