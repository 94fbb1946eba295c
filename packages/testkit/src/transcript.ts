/** What went over each wire, in the order in which it arrived. */

import { type Element, type FullJid, serialize } from '@xmpp-e2e/xml'

/** `sent` by the client, or `received`. */
export type Direction = 'sent' | 'received'

/** A stanza that has arrived or was lost on the way, or a change of a session. */
export type Entry =
  | {
      readonly kind: 'stanza'
      /** Milliseconds since 1970, of the virtual clock. */
      readonly at: number
      readonly client: FullJid
      readonly direction: Direction
      readonly stanza: Element
      /** What a fault did to it. */
      readonly fault?: string
      /** It did not arrive. */
      readonly lost?: true
    }
  | {
      readonly kind: 'session'
      readonly at: number
      readonly client: FullJid
      /** As clients are told, who do not hear of `suspended`: the connection broke, and may yet be resumed. */
      readonly state: 'new' | 'resumed' | 'suspended' | 'lost'
      /** Another client took the resource (RFC 6120 §7.7.2.2). */
      readonly reason?: 'conflict'
    }

/** What became of a session, and why if that is known. */
export function stateOf({ state, reason }: Entry & { readonly kind: 'session' }): string {
  return reason === undefined ? state : `${state} (${reason})`
}

/** One line each, as XML. */
export function written(transcript: readonly Entry[]): string {
  return transcript
    .map((entry) => {
      const what =
        entry.kind === 'session'
          ? `-- ${stateOf(entry)}`
          : `${entry.direction === 'sent' ? '->' : '<-'} ${serialize(entry.stanza, { ns: 'jabber:client' })}`
      const fault = entry.kind === 'stanza' && entry.fault ? `  (${entry.fault})` : ''
      return `${new Date(entry.at).toISOString()} ${entry.client} ${what}${fault}\n`
    })
    .join('')
}
