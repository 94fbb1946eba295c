import type { Put, Reader, Signal } from '@xmpp-e2e/store'
import type { BareJid } from '@xmpp-e2e/xml'
import type { Account } from './account.ts'
import type { OmemoEvent } from './event.ts'

/** What a room is, and who is to get its messages (XEP-0384 §5.8.1). */
export type Audience =
  | { readonly kind: 'members'; readonly room: BareJid; readonly jids: readonly BareJid[] }
  | { readonly kind: 'refused'; readonly code: 'room-anonymous' | 'room-open' | 'room-unreachable' }

/** @internal Asks the room: disco#info, and the lists of members, admins and owners. */
export async function audienceOf(
  _account: Account,
  _room: BareJid,
  _options: { readonly signal?: Signal | undefined },
): Promise<Audience> {
  throw new Error('to be written')
}
/** @internal Within a change: to whom the messages of a room went last, and what is different now. */
export async function compareAudience(
  _account: Account,
  _reader: Reader,
  _room: BareJid,
  _jids: readonly BareJid[],
): Promise<{ readonly put: readonly Put[]; readonly events: readonly OmemoEvent[] }> {
  throw new Error('to be written')
}
