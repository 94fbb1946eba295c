/** What may go wrong on the way, and when. */

import type { Element, FullJid } from '@xmpp-e2e/xml'
import type { Random } from './random.ts'
import { isCondition } from './stanza.ts'
import type { Direction } from './transcript.ts'

/**
 * - `drop`: it never arrives.
 * - `delay`: it arrives when the clock has moved on so many milliseconds; others overtake it.
 * - `reorder`: the next `by` stanzas of that stream and direction overtake it, or as many as there are.
 * - `duplicate`: it arrives `times` times, 2 unless given.
 * - `tamper`: it arrives as what `change` makes of it; `undefined` drops it.
 * - `error`: it does not arrive, and is answered with that condition of RFC 6120 §8.3.3, or arrives as that answer.
 * - `disconnect`: the connection breaks, before it has arrived or after. A session that is resumed gets it then.
 */
export type Fault =
  | { readonly kind: 'drop' }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'reorder'; readonly by: number }
  | { readonly kind: 'duplicate'; readonly times?: number }
  | { readonly kind: 'tamper'; readonly change: (stanza: Element) => Element | undefined }
  | { readonly kind: 'error'; readonly condition: string; readonly details?: readonly Element[] }
  | { readonly kind: 'disconnect'; readonly when: 'before' | 'after' }

/** A fault and the stanzas it happens to; all conditions must hold. Nothing happens to what a fault has made. */
export interface FaultRule {
  readonly fault: Fault
  readonly direction?: Direction
  /** A full JID, or a bare one for all clients of an account; `romeo` and `romeo/phone` are at the service's domain. */
  readonly client?: string
  readonly match?: (stanza: Element) => boolean
  /** Only the n-th stanza for which the rest holds, counted from 1. */
  readonly nth?: number
  /** From 0 to 1, under the seed. */
  readonly probability?: number
}

/** Stops a fault. */
export interface FaultStop {
  (): void
  /** How many stanzas it has happened to so far. */
  readonly hits: number
}

export interface Faults {
  /**
   * @throws {TypeError} on a kind or condition that does not exist, and on what is missing
   * @throws {RangeError} on a number that makes no sense
   */
  add(rule: FaultRule): FaultStop
  /** The first that happens to a stanza. */
  of(client: FullJid, direction: Direction, stanza: Element): Fault | undefined
}

export function faults(random: Random): Faults {
  const rules = new Set<{ readonly rule: FaultRule; seen: number; hits: number }>()
  return {
    add(rule) {
      check(rule)
      const added = { rule, seen: 0, hits: 0 }
      rules.add(added)
      const stop = () => void rules.delete(added)
      return Object.defineProperty(stop, 'hits', { get: () => added.hits }) as FaultStop
    },
    of(client, direction, stanza) {
      for (const entry of rules) {
        const { rule } = entry
        if (rule.direction !== undefined && rule.direction !== direction) continue
        if (rule.client !== undefined && client !== rule.client && !client.startsWith(`${rule.client}/`))
          continue
        if (rule.match && !rule.match(stanza)) continue
        entry.seen++
        if (rule.nth !== undefined && entry.seen !== rule.nth) continue
        if (rule.probability !== undefined && random.next() >= rule.probability * 2 ** 32) continue
        entry.hits++
        return rule.fault
      }
      return undefined
    },
  }
}

function check({ fault, direction, match, nth, probability }: FaultRule): void {
  if (direction !== undefined) oneOf(direction, DIRECTIONS, 'direction')
  if (match !== undefined) callable(match, 'match')
  if (nth !== undefined) count(nth, 'nth', 1)
  if (probability !== undefined && !(probability >= 0 && probability <= 1))
    throw new RangeError('probability: expected 0 to 1')
  if (typeof fault !== 'object') throw new TypeError('fault: expected an object with a kind')
  oneOf(fault.kind, KINDS, 'kind')
  if (fault.kind === 'delay') count(fault.ms, 'ms', 0)
  else if (fault.kind === 'reorder') count(fault.by, 'by', 1)
  else if (fault.kind === 'duplicate') count(fault.times ?? 2, 'times', 2)
  else if (fault.kind === 'tamper') callable(fault.change, 'change')
  else if (fault.kind === 'disconnect') oneOf(fault.when, MOMENTS, 'when')
  else if (fault.kind === 'error' && !isCondition(fault.condition))
    throw new TypeError('condition: expected one of RFC 6120 §8.3.3')
}

const DIRECTIONS = ['sent', 'received'] as const
const KINDS = ['drop', 'delay', 'reorder', 'duplicate', 'tamper', 'error', 'disconnect'] as const
const MOMENTS = ['before', 'after'] as const

function oneOf(value: string, known: readonly string[], label: string): void {
  if (!known.includes(value)) throw new TypeError(`${label}: expected ${known.join(', ')}`)
}

function callable(value: unknown, label: string): void {
  if (typeof value !== 'function') throw new TypeError(`${label}: expected a function`)
}

function count(value: number, label: string, min: number): void {
  if (typeof value !== 'number') throw new TypeError(`${label}: expected a number`)
  if (!(Number.isSafeInteger(value) && value >= min))
    throw new RangeError(`${label}: expected an integer of at least ${min}`)
}
