/**
 * Whether somebody else acts under this device's id: a message of ours that this store has never made. Two copies of a
 * profile go on with the same chain, and the copy is ahead where it has sent more. Whoever can write our stanzas can
 * write such a header, too: it is a hint for people, and changes nothing.
 */
import type { Reader } from '@xmpp-e2e/store'
import { type BareJid, bareJid } from '@xmpp-e2e/xml'
import { type Account, change } from '../account.ts'
import { sameBytes } from '../bytes.ts'
import { OmemoError } from '../error.ts'
import { type Protocol, protocols } from '../protocol.ts'
import { readListsOf, type StoredList } from '../session-records.ts'
import type { RatchetMessage } from '../wire/wire.ts'
import type { Reading } from './candidate.ts'

/** Keys of a message that are looked at: each costs a reading of the store. A copy that sends is ahead for all of them. */
export const MAX_KEYS_COMPARED = 4

/** @internal Tells `cloned` if a message of our own device id cannot be ours. */
export function lookForClone(account: Account, reading: Reading, chat: BareJid): Promise<void> {
  return change(account, [], async (_, reader) => {
    const detail = await findClone(account, reader, reading, chat)
    return { events: detail === undefined ? [] : [{ kind: 'cloned', detail }], result: undefined }
  })
}

async function findClone(
  account: Account,
  reader: Reader,
  { elements }: Reading,
  chat: BareJid,
): Promise<string | undefined> {
  for (const { namespace, encrypted } of elements) {
    for (const { jid, rid, data } of encrypted.keys.slice(0, MAX_KEYS_COMPARED)) {
      const header = headerOf(protocols[namespace], data)
      if (header === undefined) continue
      // In 0.3 nothing says whose device it is.
      const owners = jid === undefined ? [chat, account.jid] : [bareJid.decode(jid)]
      for (const owner of owners) {
        if (owner === undefined) continue
        const lists = await readListsOf(reader, namespace, { jid: owner, id: rid })
        if (lists.some((list) => isAhead(list, header)))
          return `a message to device ${rid} of ${owner} is ahead of what this device has sent`
      }
    }
  }
  return undefined
}

/** @internal What anybody can read of a ratchet message, also one in a key exchange. */
export function headerOf({ wire }: Protocol, data: Uint8Array): RatchetMessage | undefined {
  try {
    const encoded = wire.isKeyExchange(data) ? wire.decodeKeyExchange(data).message : data
    return wire.decodeRatchetMessage(wire.decodeAuthenticated(encoded).message)
  } catch (error) {
    if (error instanceof OmemoError) return undefined
    throw error
  }
}

function isAhead({ sessions }: StoredList, header: RatchetMessage): boolean {
  return [sessions.current, ...sessions.archived].some(
    ({ ratchet }) =>
      ratchet.state === 'sending' &&
      sameBytes(ratchet.ours.publicKey, header.ratchetKey) &&
      header.counter >= ratchet.sending.next,
  )
}
