/** What this entity says it can do, now and a little while ago, and the presence that says so. */

import type { Connection, Element } from '@xmpp-e2e/xml'
import { type Abilities, annotated, answer, type Description, describe } from './description.ts'
import type { Hash } from './hash.ts'
import { sortOctets } from './octet-order.ts'

/** Descriptions that stay answerable after they have been announced; XEP-0390 §6.1 wants three. */
export const KEPT_DESCRIPTIONS = 4

export interface Announcement {
  /** See `Disco`. */
  add(abilities: Abilities): () => void
  features(): readonly string[]
  announce(presence: Element): Element
  /** @throws {StanzaError} see `answer` of a description */
  answer(iq: Element): Element
  /** Sends the last presence again, if what it said is no longer so. */
  again(): Promise<void>
  /** Forgets that presence: what it went to has ended. */
  forget(): void
}

/** `hashes` are those of the set of XEP-0390. */
export function announcement(
  connection: Connection,
  options: Abilities & { readonly node: string },
  hashes: readonly Hash[],
): Announcement {
  let abilities: readonly Abilities[] = [options]
  let current = describe(abilities, options.node, hashes)
  let announced: readonly Description[] = []
  let presence: Element | undefined
  /** What everybody has been told last. */
  let broadcast: Description | undefined

  function change(next: readonly Abilities[]): void {
    current = describe(next, options.node, hashes)
    abilities = next
    void Promise.resolve().then(again)
  }

  async function again(): Promise<void> {
    if (!presence || broadcast === current) return
    try {
      await connection.send(announce(presence))
    } catch {
      broadcast = undefined
    }
  }

  function announce(given: Element): Element {
    if (given.name !== 'presence') throw new TypeError('announce: expected <presence/>')
    const { type, to } = given.attrs
    if (to === undefined && type === 'unavailable') presence = undefined
    if (type !== undefined) return given
    if (to === undefined) {
      presence = given
      broadcast = current
    }
    announced = [current, ...announced.filter((one) => one !== current)].slice(0, KEPT_DESCRIPTIONS)
    return annotated(given, current)
  }

  return {
    add(added) {
      const own = { ...added }
      change([...abilities, own])
      return () => {
        if (abilities.includes(own)) change(abilities.filter((one) => one !== own))
      }
    },
    features: () => sortOctets(new Set(abilities.flatMap(({ features = [] }) => features))),
    announce,
    answer: (iq) => answer(iq, current, announced),
    again,
    forget() {
      presence = undefined
    },
  }
}
