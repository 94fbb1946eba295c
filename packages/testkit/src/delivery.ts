/**
 * Who is served next. Each direction of each stream is a lane: what is in it stays in order (RFC 6120 §10.1). Among
 * lanes, the seed decides.
 *
 * Everything runs on promise turns, which JavaScript orders strictly, so a program that waits for nothing but promises
 * runs the same way each time. Before each choice the pump waits until no lane has got anything for a while: what two
 * clients send at the same time is then all there, and the seed decides between them, rather than who needed fewer
 * turns to get there.
 */

import type { Element } from '@xmpp-e2e/xml'
import { TestkitError } from './error.ts'
import type { Random } from './random.ts'

/**
 * Turns without a new stanza after which the next is delivered. An `await` takes one to three; a turn takes some 50 ns.
 */
export const QUIET_TURNS = 32

/**
 * Turns without a new stanza after which nothing more is expected: a hundred or more `await`s in a row in client code,
 * between one stanza and the next.
 */
export const SETTLED_TURNS = 512

/**
 * Stanzas without a rest between them, unless told otherwise. Promise turns starve timers, also that of the test
 * runner, so something has to end a conversation without end: real tests have thousands, and this many take seconds.
 */
export const MAX_DELIVERIES = 200_000

/** A stanza under way, and what its arrival causes. */
export interface Parcel {
  readonly stanza: Element
  arrive(): void
}

export interface Lane {
  readonly parcels: Parcel[]
  /** Nothing is taken from a lane that is not open. */
  open: boolean
}

export interface Delivery {
  lane(): Lane
  /** At the end of a lane. */
  push(lane: Lane, parcel: Parcel): void
  /** For a lane that has been opened. */
  wake(): void
  /** @throws {TestkitError} `restless`, `listener-failed` */
  settle(): Promise<void>
  /** Reported by the next `settle`. */
  failed(error: unknown): void
}

export interface DeliveryOptions {
  readonly random: Random
  /** Called when nothing is under way; whether that has changed it. */
  onIdle(): boolean
  /** Called when `maxDeliveries` has been reached. */
  onRestless(): void
  readonly idle: (() => Promise<unknown>) | undefined
  readonly maxDeliveries: number
}

export function delivery({ random, onIdle, onRestless, idle, maxDeliveries }: DeliveryOptions): Delivery {
  const lanes: Lane[] = []
  const failures: unknown[] = []
  let activity = 0
  let running = false
  let restless = false

  const quiet = async (turns: number): Promise<void> => {
    let seen = activity
    for (let turn = 0; turn < turns; turn++) {
      await undefined
      if (seen === activity) continue
      seen = activity
      turn = 0
    }
  }

  const take = (): Parcel | undefined => {
    const ready = lanes.filter((lane) => lane.open && lane.parcels.length > 0)
    if (ready.length === 0) return undefined
    return ready[ready.length === 1 ? 0 : random.below(ready.length)]!.parcels.shift()
  }

  const run = async (): Promise<void> => {
    for (let count = 0; ; count++) {
      await quiet(QUIET_TURNS)
      const parcel = take()
      if (!parcel) {
        if (onIdle()) continue
        break
      }
      if (count >= maxDeliveries) {
        restless = true
        onRestless()
        break
      }
      try {
        parcel.arrive()
      } catch (error) {
        failures.push(error)
      }
    }
    running = false
  }

  const wake = (): void => {
    activity++
    if (running) return
    running = true
    void run()
  }

  const rest = async (): Promise<void> => {
    do await quiet(SETTLED_TURNS)
    while (running)
  }

  return {
    lane() {
      const lane: Lane = { parcels: [], open: true }
      lanes.push(lane)
      return lane
    },
    push(lane, parcel) {
      lane.parcels.push(parcel)
      wake()
    },
    wake,
    failed(error) {
      failures.push(error)
    },
    async settle() {
      await rest()
      for (let seen = -1; idle && seen !== activity; ) {
        seen = activity
        await idle()
        await rest()
      }
      if (restless) {
        restless = false
        throw new TestkitError('restless', `${maxDeliveries} stanzas without a rest`)
      }
      if (failures.length === 0) return
      const [first] = failures
      const cause = new AggregateError(failures.splice(0))
      const what = first instanceof Error ? first.message : String(first)
      throw new TestkitError('listener-failed', `a listener of a client threw: ${what}`, { cause })
    },
  }
}
