export { PepError, type PepErrorCode } from './pep/error.ts'
export { eventsOf, notify, onEvents, type PepEvent } from './pep/event.ts'
export { type Item, MAX_NODE_ITEMS, MAX_NODE_NAME } from './pep/item.ts'
export { type FetchOptions, fetchItems, type RetractOptions, retract } from './pep/items.ts'
export { configuration, configure, createNode, deleteNode } from './pep/node.ts'
export type { Access, NodeConfig, SendLast } from './pep/node-config.ts'
export {
  MAX_PUBLISH_REQUESTS,
  type NewItem,
  type Published,
  type PublishOptions,
  type PublishStep,
  publish,
} from './pep/publish.ts'
export type { PepOptions } from './pep/request.ts'
export {
  type Subscription,
  type SubscriptionState,
  subscribe,
  type UnsubscribeOptions,
  unsubscribe,
} from './pep/subscription.ts'
