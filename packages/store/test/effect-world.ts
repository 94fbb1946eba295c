/** What an application gives to a queue, under the control of a test. */
import {
  type Effect,
  type EffectQueue,
  effectQueue,
  memoryStore,
  type QueuedEffect,
  type Store,
  update,
} from '../src/index.ts'

export interface World {
  readonly store: Store
  readonly clock: { now(): number; after(ms: number, f: () => void): () => void }
  /** Moves time and calls what is due. */
  advance(ms: number): void
  /** How many timers wait. */
  timers(): number
  /** A queue on the store, as a tab of its own. */
  tab(handle: Handle, store?: Store): EffectQueue
  random(bytes: number): Uint8Array
}

export type Handle = Parameters<typeof effectQueue>[0]['handle']

export const START = Date.UTC(2026, 10, 24)

export function world(store: Store = memoryStore()): World {
  let time = START
  let seed = 1
  const timers = new Set<{ at: number; f: () => void }>()
  const clock = {
    now: () => time,
    after(ms: number, f: () => void) {
      const timer = { at: time + ms, f }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
  }
  const random = (bytes: number): Uint8Array =>
    Uint8Array.from({ length: bytes }, () => {
      // Numerical Recipes' generator; its upper bits are random enough for ids and jitter.
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
      return seed >>> 24
    })
  return {
    store,
    clock,
    random,
    timers: () => timers.size,
    advance(ms) {
      time += ms
      for (const timer of [...timers].filter(({ at }) => at <= time)) {
        timers.delete(timer)
        timer.f()
      }
    },
    tab: (handle, view = store) => effectQueue({ store: view, clock, random, handle }),
  }
}

export const effect = (lane: string, key: string, payload = 0): Effect => ({
  lane,
  kind: 'publish',
  key,
  payload: Uint8Array.of(payload),
})

export const name = ({ lane, key }: { lane: string; key: string }): string => `${lane}:${key}`

export async function add(store: Store, queue: EffectQueue, ...effects: readonly Effect[]): Promise<void> {
  await update(store, [], async (_, reader) => ({ put: await queue.add(reader, effects), result: undefined }))
}

/** Runs until nothing waits, moving time to when the next effect is due. */
export async function drain({ clock, advance }: World, queue: EffectQueue, runs = 10_000): Promise<void> {
  for (let n = 0; n < runs; n++) {
    const { nextDue } = await queue.run()
    if (!nextDue) return
    advance(Math.max(0, nextDue.getTime() - clock.now()))
  }
  throw new Error(`still waiting after ${runs} runs`)
}

/** A promise and its ends. */
export function deferred<T = void>() {
  let resolve: (value: T) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/** Lets everything run that waits for nothing but promises. */
export async function settled(): Promise<void> {
  for (let n = 0; n < 500; n++) await Promise.resolve()
}

/** A handler that notes what it did. */
export function recorder(fails: (effect: QueuedEffect) => boolean = () => false) {
  const log: string[] = []
  const handle: Handle = async (one) => {
    if (fails(one)) throw new Error('network')
    log.push(name(one))
  }
  return { log, handle }
}
