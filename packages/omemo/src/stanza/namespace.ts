/** The two wire versions of XEP-0384 in use, as they name themselves. */

/** XEP-0384 0.3.0. */
export const AXOLOTL = 'eu.siacs.conversations.axolotl'

/** XEP-0384 0.8 and later. */
export const OMEMO_2 = 'urn:xmpp:omemo:2'

export type Namespace = typeof AXOLOTL | typeof OMEMO_2
