/** What a connection hears of a PEP node. */
import { type Item, onEvents, type PepEvent } from '@xmpp-e2e/disco/pep'
import type { Connection } from '@xmpp-e2e/xml'

export interface Heard {
  readonly events: readonly PepEvent[]
  items(): Item[]
  /** The first event of a kind, which may still have to come. */
  find(kind: PepEvent['kind']): Promise<PepEvent>
  /** The same for an item, by its id. */
  item(id: string): Promise<Item>
}

/** Listens from now on. */
export function collect(connection: Connection, node: string): Heard {
  const events: PepEvent[] = []
  const waiting = new Set<() => void>()
  onEvents(connection, [node], (event) => {
    events.push(event)
    for (const wake of [...waiting]) wake()
  })
  const until = <T>(look: () => T | undefined): Promise<T> =>
    new Promise((resolve) => {
      const wake = () => {
        const found = look()
        if (found === undefined) return
        waiting.delete(wake)
        resolve(found)
      }
      waiting.add(wake)
      wake()
    })
  const items = () => events.flatMap((event) => (event.kind === 'items' ? event.items : []))
  return {
    events,
    items,
    find: (kind: PepEvent['kind']) => until(() => events.find((event) => event.kind === kind)),
    item: (id: string) => until(() => items().find((item) => item.id === id)),
  }
}
