/** How real servers differ from what the specifications say, and from each other. */

export interface Quirks {
  readonly name: string
  /** Application-specific conditions stand before the condition of RFC 6120 in errors; clients must read both orders. */
  readonly detailsFirst: boolean
  /** Fields of publish-options that the service knows; another one is refused. All of the node configuration if absent. */
  readonly publishOptions?: readonly string[]
  /** How an unknown field of publish-options is refused. */
  readonly unknownOption: 'resource-constraint' | 'bad-request'
  /** How a fetch from a node with a whitelist is refused. */
  readonly closedNode: 'not-allowed' | 'forbidden'
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
  closedNode: 'not-allowed',
  announcesMax: true,
  archivesWithoutBody: 'store-and-eme',
  occupantIds: true,
}

/** What was seen of Prosody 0.12.3. */
export const prosody: Quirks = { ...modern, name: 'prosody', closedNode: 'forbidden' }

/** What was seen of ejabberd 23.01. */
export const ejabberd: Quirks = {
  ...modern,
  name: 'ejabberd',
  detailsFirst: true,
  publishOptions: ['pubsub#persist_items', 'pubsub#access_model'],
  unknownOption: 'resource-constraint',
  announcesMax: false,
  archivesWithoutBody: 'store',
  occupantIds: false,
}
