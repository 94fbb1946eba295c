/**
 * What the connection tells of its own accord, besides messages: that there is a session, that device lists have changed
 * (XEP-0384 §5.2), and that rooms have.
 */
import { onEvents, type PepEvent } from '@xmpp-e2e/disco/pep'
import type { Account } from './account.ts'
import { onListEvent } from './device/device-lists.ts'
import { onOwnEvent } from './device/own-events.ts'
import { namespaces } from './protocol.ts'
import { isAboutRoom, onRoomStanza } from './room.ts'
import { deviceLists } from './stanza/device-list.ts'

/** @internal Has `inBackground` do what follows; `onSession` for each session from now on. Returns how to stop. */
export function onNotifications(
  account: Account,
  inBackground: (work: () => Promise<void>) => void,
  onSession: (state: 'new' | 'resumed') => Promise<void>,
): () => void {
  const { connection, jid } = account
  const onList = (event: PepEvent) =>
    event.owner === jid ? onOwnEvent(account, event) : onListEvent(account, event)
  const nodes = namespaces.map((namespace) => deviceLists[namespace].node)
  const stopEvents = onEvents(connection, nodes, (event) => inBackground(() => onList(event)))
  const stopStanzas = connection.subscribe({
    stanza: (stanza) => {
      if (isAboutRoom(stanza)) inBackground(() => onRoomStanza(account, stanza))
    },
    session: (state) => {
      if (state !== 'lost') inBackground(() => onSession(state))
    },
  })
  return () => {
    stopEvents()
    stopStanzas()
  }
}
