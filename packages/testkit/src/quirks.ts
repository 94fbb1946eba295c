/** How real servers differ from what the specifications say, and from each other. */

export interface Quirks {
  readonly name: string
  /** Application-specific conditions stand before the condition of RFC 6120 in errors; clients must read both orders. */
  readonly detailsFirst: boolean
  /** Fields of publish-options that the service knows; another one is refused. All of the node configuration if absent. */
  readonly publishOptions?: readonly string[]
  /** How an unknown field of publish-options is refused. */
  readonly unknownOption: 'resource-constraint' | 'bad-request'
  /** Fields of the configuration that a new node has other values of than `modern` gives it. */
  readonly initial: Readonly<Record<string, string>>
  /** Whether somebody who may not see a node is told why (XEP-0060 §6.5.9). */
  readonly deniedAccess: 'with-reason' | 'forbidden'
  /** What somebody who does not see the owner's presence is told of a node that is not there. */
  readonly absentNode: 'item-not-found' | 'forbidden'
  /** What everybody is told of a node of an account that is not there. */
  readonly absentAccount: 'service-unavailable' | 'item-not-found' | 'forbidden'
  /** Where an item is that is published again: the last one, or in its old place. */
  readonly replacedItem: 'moves' | 'stays'
  /** What clients with `+notify` hear of: `items` that are published, or all that subscribers hear of. */
  readonly tellsContacts: 'all' | 'items'
  /**
   * Whether `+notify` of one client leaves the others of its account alone. Otherwise the account has the interests, too,
   * of the client that was asked last what its hash means, and events go to its bare JID.
   */
  readonly filtersByResource: boolean
  /** Whether the service announces `config-node-max`. */
  readonly announcesMax: boolean
  /** What the archive keeps of messages without a body: those with `<store/>`, or with XEP-0380 as well. */
  readonly archivesWithoutBody: 'store' | 'store-and-eme'
  /** Whether rooms add `<occupant-id/>` (XEP-0421). */
  readonly occupantIds: boolean
}

/** As the specifications say, where they say something. */
export const modern: Quirks = {
  name: 'modern',
  detailsFirst: false,
  unknownOption: 'bad-request',
  initial: {},
  deniedAccess: 'with-reason',
  absentNode: 'item-not-found',
  absentAccount: 'service-unavailable',
  replacedItem: 'moves',
  tellsContacts: 'all',
  filtersByResource: true,
  announcesMax: true,
  archivesWithoutBody: 'store-and-eme',
  occupantIds: true,
}

/** What was seen of Prosody 0.12.3. */
export const prosody: Quirks = {
  ...modern,
  name: 'prosody',
  deniedAccess: 'forbidden',
  absentNode: 'forbidden',
  absentAccount: 'forbidden',
  filtersByResource: false,
}

/** What was seen of ejabberd 23.01. */
export const ejabberd: Quirks = {
  ...modern,
  name: 'ejabberd',
  detailsFirst: true,
  publishOptions: ['pubsub#persist_items', 'pubsub#access_model'],
  unknownOption: 'resource-constraint',
  initial: { 'pubsub#notify_delete': '0', 'pubsub#notify_retract': '0' },
  absentAccount: 'item-not-found',
  replacedItem: 'stays',
  tellsContacts: 'items',
  announcesMax: false,
  archivesWithoutBody: 'store',
  occupantIds: false,
}
