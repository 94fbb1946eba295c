/**
 * Where everything is in the store, within the scope of one account:
 *
 *     device                                   our device                              device/own-device.ts
 *     upkeep                                   when it was last looked after           device/upkeep.ts
 *     pre-keys/<ns>                            our prekeys in one namespace            pre-keys.ts
 *     spent/<ns>                               used ones kept until catch-up ends      message/catch-up.ts
 *     catch-up                                 since when                              message/catch-up.ts
 *     contact/<jid>                            lists and devices of an account         device/contact.ts
 *     keys/<jid>                               its keys and what is thought of them    key-records.ts
 *     waiting                                  trust messages that must wait           key-records.ts
 *     session/<ns>/<jid>/<id>/<fingerprint>    the current session                     session-records.ts
 *     archived/<ns>/<jid>/<id>/<fingerprint>   those before it                         session-records.ts
 *     kept/<ref>                               a message that is not settled           message/kept.ts
 *     hidden/<jid>                             which of the kept ones are not shown    message/hidden.ts
 *     seen/<jid>                               which of its messages were opened lately  message/seen.ts
 *     room/<jid>                               to whom a room's messages went last     room-record.ts
 *     archive                                  to where it was read                    message/archive.ts
 *     effects/…                                what remains to be done                 effects.ts
 *
 * A bare JID has no slash, so that names are unambiguous.
 */
import type { BareJid } from '@xmpp-e2e/xml'
import type { DeviceRef } from './outcome.ts'
import type { Namespace } from './protocol.ts'

/** @internal */
export const records = {
  device: 'device',
  upkeep: 'upkeep',
  preKeys: (namespace: Namespace) => `pre-keys/${namespace}`,
  spent: (namespace: Namespace) => `spent/${namespace}`,
  catchUp: 'catch-up',
  contact: (jid: BareJid) => `contact/${jid}`,
  allContacts: 'contact/',
  keysOf: (owner: BareJid) => `keys/${owner}`,
  allKeys: 'keys/',
  waiting: 'waiting',
  session: (namespace: Namespace, { jid, id }: DeviceRef, fingerprint: string) =>
    `session/${namespace}/${jid}/${id}/${fingerprint}`,
  sessionsOf: (namespace: Namespace, { jid, id }: DeviceRef) => `session/${namespace}/${jid}/${id}/`,
  archived: (namespace: Namespace, { jid, id }: DeviceRef, fingerprint: string) =>
    `archived/${namespace}/${jid}/${id}/${fingerprint}`,
  archivedOf: (namespace: Namespace, { jid, id }: DeviceRef) => `archived/${namespace}/${jid}/${id}/`,
  allSessions: ['session/', 'archived/'],
  kept: (ref: string) => `kept/${ref}`,
  allKept: 'kept/',
  archive: 'archive',
  hidden: (jid: BareJid) => `hidden/${jid}`,
  seen: (jid: BareJid) => `seen/${jid}`,
  room: (room: BareJid) => `room/${room}`,
  allRooms: 'room/',
} as const
