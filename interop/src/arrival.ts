/** When something has happened on a server: found out by stanzas, which arrive in order, and not by waiting. */
import { bare, type Connection, type Element, element } from '@xmpp-e2e/xml'
import { presence } from './announce.ts'

/** The next stanza to come in that `is` says yes to; listens from now on. */
export function arrival(connection: Connection, is: (stanza: Element) => boolean): Promise<Element> {
  return new Promise((resolve) => {
    const stop = connection.subscribe({
      stanza(stanza) {
        if (!is(stanza)) return
        stop()
        resolve(stanza)
      },
    })
  })
}

let fences = 0

/** What `from` and its server have sent to `to` before has arrived when this resolves. */
export async function fence(from: Connection, to: Connection): Promise<void> {
  fences += 1
  const id = `fence-${fences}`
  const arrived = arrival(to, (stanza) => stanza.name === 'message' && stanza.attrs.id === id)
  const body = element('jabber:client', 'body', {}, id)
  await from.send(element('jabber:client', 'message', { to: to.jid, type: 'chat', id }, body))
  await arrived
}

/** The server has asked for features, and has the answer: three times there and back. */
export async function settled(connection: Connection): Promise<void> {
  for (let i = 0; i < 3; i += 1) await fence(connection, connection)
}

/** Each sees the presence of the other (RFC 6121, 3.1), and neither may have asked before. */
export async function befriend(one: Connection, other: Connection): Promise<void> {
  // Answers go to those who have asked for the roster.
  const roster = element('jabber:client', 'iq', { type: 'get' }, element('jabber:iq:roster', 'query'))
  await Promise.all([one, other].map((connection) => connection.request(roster)))
  for (const [asks, grants] of [
    [one, other],
    [other, one],
  ] as const) {
    const [asker, granter] = [bare(asks.jid ?? ''), bare(grants.jid ?? '')]
    const asked = arrival(grants, ({ attrs }) => attrs.type === 'subscribe')
    const granted = arrival(asks, ({ attrs }) => attrs.type === 'subscribed')
    await asks.send(presence({ to: granter, type: 'subscribe' }))
    await asked
    await grants.send(presence({ to: asker, type: 'subscribed' }))
    await granted
  }
}
