/**
 * What a fault does to one stanza on its way, in place of its arrival:
 *
 *     drop         noted in the transcript, and no more
 *     delay        put at the end of its lane, when the clock has moved on
 *     reorder      held until others of its lane have gone; then it is next
 *     duplicate    arrives, and at once again
 *     tamper       something else arrives
 *     error        who has sent it gets an error; of an answer, an error arrives in its place
 *     disconnect   the connection breaks; `before`: it is the first to arrive when the session is resumed
 */

import { type Element, element, type FullJid, type StanzaError } from '@xmpp-e2e/xml'
import type { Clock } from './clock.ts'
import type { Delivery, Lane, Parcel } from './delivery.ts'
import type { Fault } from './fault.ts'
import { CLIENT } from './namespaces.ts'
import type { Quirks } from './quirks.ts'
import { bounce, refusal } from './stanza.ts'
import type { Direction } from './transcript.ts'

/** A stanza that would arrive now, and what can be done instead. */
export interface Arrival {
  readonly client: FullJid
  readonly direction: Direction
  readonly stanza: Element
  readonly lane: Lane
  /** Lets a stanza arrive; `what` is noted in the transcript. */
  arrive(stanza: Element, what?: string): void
  /** It does not arrive, which is noted, too. */
  lose(what: string): void
  /** Whether the session that it is of has not ended: nothing arrives from before. */
  isCurrent(): boolean
  disconnect(): void
}

export interface FaultEffects {
  apply(fault: Fault, arrival: Arrival): void
  /** To be called for each stanza that leaves a lane: those that wait for it go next. */
  overtake(lane: Lane): void
  /** Lets go of what waits for stanzas that do not come; whether there was anything. */
  release(): boolean
  /** The session of that lane has ended. */
  forget(lane: Lane): void
}

export interface FaultEffectOptions {
  readonly delivery: Delivery
  readonly clock: Clock
  readonly quirks: Quirks
  /** Sends an error to who has sent a stanza, which no other fault happens to. */
  answer(stanza: Element, error: StanzaError): void
}

/** A stanza that waits to be overtaken, by `left` more. */
interface Held {
  readonly lane: Lane
  readonly parcel: Parcel
  left: number
}

export function faultEffects({ delivery, clock, quirks, answer }: FaultEffectOptions): FaultEffects {
  let held: readonly Held[] = []

  const fail = (fault: Fault & { readonly kind: 'error' }, arrival: Arrival): void => {
    const { stanza, direction, client } = arrival
    const { id, from, to, type } = stanza.attrs
    const error = refusal(stanza, fault.condition, fault.details)
    if (direction === 'received' && stanza.name === 'iq' && (type === 'result' || type === 'error')) {
      // As if it were the answer to a request that has the sides changed.
      const request = element(CLIENT, 'iq', { type: 'get', id, from: to, to: from })
      const reply = bounce(request, error, quirks)
      if (reply) arrival.arrive(reply, 'replaced by an error')
      return
    }
    arrival.lose('answered with an error')
    const sender = direction === 'sent' ? client : from
    answer(element(CLIENT, stanza.name, { ...stanza.attrs, from: sender }), error)
  }

  return {
    apply(fault, arrival) {
      const { stanza, lane } = arrival
      const later = (what: string): Parcel => ({ stanza, arrive: () => arrival.arrive(stanza, what) })
      switch (fault.kind) {
        case 'drop':
          arrival.lose('dropped')
          return
        case 'delay':
          clock.after(fault.ms, () => {
            if (arrival.isCurrent()) delivery.push(lane, later(`delayed ${fault.ms} ms`))
          })
          return
        case 'reorder':
          held = [...held, { lane, parcel: later('overtaken'), left: fault.by }]
          return
        case 'duplicate':
          arrival.arrive(stanza)
          for (let i = 1; i < (fault.times ?? 2); i++) arrival.arrive(stanza, 'duplicate')
          return
        case 'tamper': {
          const changed = fault.change(stanza)
          if (changed) arrival.arrive(changed, 'tampered')
          else arrival.lose('dropped')
          return
        }
        case 'error':
          fail(fault, arrival)
          return
        case 'disconnect':
          if (fault.when === 'after') arrival.arrive(stanza)
          else lane.parcels.unshift(later('redelivered'))
          arrival.disconnect()
      }
    },
    overtake(lane) {
      for (const one of held) if (one.lane === lane) one.left--
      const free = held.filter(({ left }) => left <= 0)
      held = held.filter(({ left }) => left > 0)
      // Backwards to the front, so that they keep their order.
      for (const { parcel } of free.reverse()) lane.parcels.unshift(parcel)
    },
    release() {
      const waiting = held
      held = []
      for (const { lane, parcel } of waiting) delivery.push(lane, parcel)
      return waiting.length > 0
    },
    forget(lane) {
      held = held.filter((one) => one.lane !== lane)
    },
  }
}
