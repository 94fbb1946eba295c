/**
 * Where PEP services differ, as a client sees it through `@xmpp-e2e/disco/pep`: what the suite finds different on
 * purpose. Whatever is not here is the same on all of them.
 */
import type { PepErrorCode, PublishStep } from '@xmpp-e2e/disco/pep'

export type Service = 'testkit' | 'prosody' | 'ejabberd'

export interface Differences {
  /** The requests of the first publication at a node, with access model, persistence and `max` items. */
  readonly firstPublication: readonly PublishStep[]
  /** What a stranger is told of a node that is not there. */
  readonly absentToStranger: PepErrorCode
  /** What a stranger is told of an account that is not there. */
  readonly absentAccount: PepErrorCode
  /** The condition, in the error, that keeps others from a node with a whitelist. */
  readonly closedNode: string
  /** Where an item is, after it was published again: in its old place, or the last one. */
  readonly replacedItem: 'stays' | 'moves'
  /** Whether subscribers are told of a node that is deleted, where nobody has configured that. */
  readonly tellsOfDeletion: boolean
  /** Whether contacts with +notify are told of retracted items; subscribers are. */
  readonly tellsContactsOfRetraction: boolean
  /** Whether +notify of one resource of a contact leaves its other resources alone. */
  readonly filtersByResource: boolean
}

export const DIFFERENCES: Readonly<Record<Service, Differences>> = {
  testkit: {
    firstPublication: ['features', 'publish'],
    absentToStranger: 'not-found',
    absentAccount: 'unavailable',
    closedNode: 'not-allowed',
    replacedItem: 'moves',
    tellsOfDeletion: true,
    tellsContactsOfRetraction: true,
    filtersByResource: true,
  },
  prosody: {
    firstPublication: ['features', 'publish'],
    absentToStranger: 'forbidden',
    absentAccount: 'forbidden',
    closedNode: 'forbidden',
    replacedItem: 'moves',
    tellsOfDeletion: true,
    tellsContactsOfRetraction: true,
    filtersByResource: false,
  },
  ejabberd: {
    firstPublication: ['features', 'publish', 'read', 'create', 'read', 'publish'],
    absentToStranger: 'not-found',
    absentAccount: 'not-found',
    closedNode: 'not-allowed',
    replacedItem: 'stays',
    tellsOfDeletion: false,
    tellsContactsOfRetraction: false,
    filtersByResource: true,
  },
}
