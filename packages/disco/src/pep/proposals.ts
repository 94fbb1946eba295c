/** What to ask a service for that refuses some of what is wanted. */

import { hasRoom, isEmpty, type NodeConfig, unmetOf } from './node-config.ts'

/**
 * What is tried where a service refuses the number wanted, or does not know `max`: Debian's ejabberd keeps up to 1000
 * items and Prosody 256, and ten devices are many for one account.
 */
const ROOM = [1000, 100, 10] as const

/** From all that is wanted to the least that will do; nothing twice. */
export function proposals(held: NodeConfig, wanted: NodeConfig): readonly NodeConfig[] {
  const unmet = unmetOf(held, wanted)
  const only = (...keys: readonly (keyof NodeConfig)[]) =>
    pick(
      wanted,
      unmet.filter((key) => keys.includes(key)),
    )
  const { maxItems } = only('maxItems')
  // Less than wanted, but more than there is.
  const rooms = ROOM.filter((n) => maxItems === 'max' || n < (maxItems ?? 0)).filter((n) => !hasRoom(held, n))
  const all = [
    pick(wanted, unmet),
    ...rooms.map((maxItems) => ({ ...only('access', 'persist'), maxItems })),
    only('access'),
  ]
  const written = all.map((config) => JSON.stringify(config))
  return all.filter((config, i) => !isEmpty(config) && written.indexOf(written[i] ?? '') === i)
}

function pick(config: NodeConfig, keys: readonly (keyof NodeConfig)[]): NodeConfig {
  const { access, persist, maxItems, sendLast } = config
  const has = (key: keyof NodeConfig) => keys.includes(key)
  return {
    ...(has('access') && { access }),
    ...(has('persist') && { persist }),
    ...(has('maxItems') && { maxItems }),
    ...(has('sendLast') && { sendLast }),
  }
}
