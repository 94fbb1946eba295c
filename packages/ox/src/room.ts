/** Rooms: whose keys their messages are encrypted to. */
import type { BareJid } from '@xmpp-e2e/xml'
import type { Account } from './account.ts'
import type { Abortable } from './options.ts'
import type { RefusalCode } from './outcome.ts'

/** Who is to get a room's messages. */
export type Audience =
  | { readonly kind: 'members'; readonly room: BareJid; readonly jids: readonly BareJid[] }
  | { readonly kind: 'refused'; readonly code: RefusalCode }

/** @internal Asks the room. @throws the signal's reason */
export async function audienceOf(_account: Account, _room: BareJid, _options: Abortable): Promise<Audience> {
  throw new Error('to be written')
}

/** @internal Whose keys a room's messages are encrypted to: those that are given, or its members. */
export async function membersOf(
  account: Account,
  room: BareJid,
  to: readonly BareJid[],
  options: Abortable,
): Promise<readonly BareJid[] | RefusalCode> {
  if (to.includes(room)) throw new RangeError('to: expected real addresses of members, not the room')
  if (to.length > 0) return to
  const audience = await audienceOf(account, room, options)
  return audience.kind === 'refused' ? audience.code : audience.jids
}
