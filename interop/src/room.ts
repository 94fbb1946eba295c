/** Rooms for encrypted messages: persistent, members only, and everybody sees everybody's address (XEP-0384 §5.8). */
import { type BareJid, type Connection, element, ns } from '@xmpp-e2e/xml'
import { presence } from './announce.ts'
import { arrival } from './arrival.ts'

const client = ns('jabber:client')
const MUC = 'http://jabber.org/protocol/muc'
const admin = ns(`${MUC}#admin`)
const data = ns('jabber:x:data')

/** Makes a room, whose owner is still in it afterwards, under the name `owner`, and its members. */
export async function makeRoom(
  connection: Connection,
  room: BareJid,
  members: readonly BareJid[],
  config: Readonly<Record<string, string>> = {},
): Promise<void> {
  const entered = arrival(
    connection,
    ({ name, attrs }) => name === 'presence' && attrs.from === `${room}/owner`,
  )
  await connection.send(presence({ to: `${room}/owner` }, element(MUC, 'x')))
  await entered
  const wanted = {
    FORM_TYPE: `${MUC}#roomconfig`,
    'muc#roomconfig_persistentroom': '1',
    'muc#roomconfig_membersonly': '1',
    'muc#roomconfig_whois': 'anyone',
    ...config,
  }
  const fields = Object.entries(wanted).map(([name, value]) =>
    data('field', { var: name }, data('value', {}, value)),
  )
  const form = data('x', { type: 'submit' }, fields)
  await connection.request(
    client('iq', { type: 'set', to: room }, element(`${MUC}#owner`, 'query', {}, form)),
  )
  for (const jid of members)
    await connection.request(
      client(
        'iq',
        { type: 'set', to: room },
        admin('query', {}, admin('item', { affiliation: 'member', jid })),
      ),
    )
}
