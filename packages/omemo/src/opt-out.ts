/**
 * Opting out (XEP-0384 §5.7): an account asks its contact to go on in plain text. It is said in an envelope of omemo:2, which
 * a server cannot make; what is received stops `encrypt` until a person has said to go on.
 */
import type { Signal } from '@xmpp-e2e/store'
import { type BareJid, element } from '@xmpp-e2e/xml'
import { type Account, change } from './account.ts'
import { encodeContact, readContacts } from './device/contact.ts'
import { fanOut } from './message/fan-out.ts'
import { messageOf, sealedEnvelope } from './message/sending.ts'
import type { Encrypted } from './outcome.ts'
import { OMEMO_2 } from './protocol.ts'
import { records } from './record.ts'

/** @internal Sessions stay as they are, and this side may encrypt again at any time. */
export async function optOut(
  account: Account,
  jid: BareJid,
  reason: string | undefined,
  { signal }: { readonly signal?: Signal | undefined } = {},
): Promise<Encrypted> {
  const content = element(
    OMEMO_2,
    'opt-out',
    {},
    reason !== undefined && element(OMEMO_2, 'reason', {}, reason),
  )
  const sealed = sealedEnvelope(account, [content], jid)
  const outcome = await fanOut(account, {
    to: [jid],
    withOwn: true,
    sealed: new Map([[OMEMO_2, sealed]]),
    signal,
  })
  return outcome.kind === 'refused' ? outcome : messageOf({ to: jid, type: 'chat' }, outcome)
}

/** @internal The person wants to go on encrypting to a contact who has opted out. */
export async function optIn(account: Account, jid: BareJid): Promise<void> {
  await change(account, [], async (_, reader) => {
    const [contact] = await readContacts(reader, [jid])
    if (contact?.optedOut === undefined) return { result: undefined }
    const { optedOut: _was, ...others } = contact
    return { put: [[records.contact(jid), encodeContact(others)]], result: undefined }
  })
}
