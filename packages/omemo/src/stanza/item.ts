/** What pubsub gives: an item with its id. */
export interface Item {
  readonly id: string
}

/**
 * The item of a node that should hold one: `current`, or the last where a client used another id (XEP-0060
 * §12.20). Nodes with many items, left by clients that let the server choose ids, are a fact.
 */
export function currentItem<T extends Item>(items: readonly T[]): T | undefined {
  return items.filter((item) => item.id === 'current').at(-1) ?? items.at(-1)
}
