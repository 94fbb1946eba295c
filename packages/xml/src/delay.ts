/**
 * XEP-0203, delayed delivery, and what was used before it (XEP-0091):
 *
 *     <delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='2002-09-10T23:08:25Z'>Offline Storage</delay>
 *     <x xmlns='jabber:x:delay' from='capulet.com' stamp='20020910T23:08:25'>Offline Storage</x>
 *
 * Anybody on the way can write one (XEP-0203 §5): ask who is named in `from` before believing it.
 */

import { attr, type Codec, codec, content, optional } from './codec.ts'
import { type Element, elements } from './element.ts'
import { type BareJid, type FullJid, jid } from './jid.ts'
import { dateTime, type Scalar } from './scalar.ts'

export const DELAY_NAMESPACE = 'urn:xmpp:delay'
export const LEGACY_DELAY_NAMESPACE = 'jabber:x:delay'

/**
 * Marks of either form that are looked at on one element. A message gets one or two on its way, and reading an
 * address of 3071 octets takes milliseconds: 16 of them are nothing, the 250 that fit into a stanza a second.
 */
export const MAX_DELAYS = 16

export interface Delay {
  /** When the stanza was sent, or first received by who says so. */
  readonly stamp: Date
  /** Who delayed it. */
  readonly from?: BareJid | FullJid | undefined
  readonly reason?: string | undefined
}

/** `<delay/>` of XEP-0203. */
export const delay: Codec<Delay> = codec(DELAY_NAMESPACE, 'delay', {
  from: optional(attr('from', jid)),
  stamp: attr('stamp', dateTime),
  reason: optional(content()),
})

/** XEP-0091 §4: `CCYYMMDDThh:mm:ss`, in UTC. */
const legacyDateTime: Scalar<Date> = {
  expected: 'a time as in 20020910T23:41:07',
  decode: (text) => {
    const parts = /^(\d{4})(\d\d)(\d\dT\d\d:\d\d:\d\d)$/.exec(text)
    return parts ? dateTime.decode(`${parts.slice(1).join('-')}Z`) : undefined
  },
  encode: (date) => date.toISOString().slice(0, 19).replaceAll('-', ''),
}

const legacyDelay: Codec<Delay> = codec(LEGACY_DELAY_NAMESPACE, 'x', {
  from: optional(attr('from', jid)),
  stamp: attr('stamp', legacyDateTime),
  reason: optional(content()),
})

/**
 * The readable delays on a stanza or in `<forwarded/>`, among the first `MAX_DELAYS` marks; the older form only where
 * there is none of the newer.
 */
export function delaysOf(el: Element): readonly Delay[] {
  const found = readable(delay, el)
  return found.length > 0 ? found : readable(legacyDelay, el)
}

/** Whether there are more marks than `delaysOf` looks at. */
export function hasTooManyDelays(el: Element): boolean {
  return [delay, legacyDelay].some((codec) => marks(codec, el).length > MAX_DELAYS)
}

function marks(codec: Codec<Delay>, el: Element): readonly Element[] {
  return elements(el).filter((node) => codec.is(node))
}

function readable(codec: Codec<Delay>, el: Element): readonly Delay[] {
  return marks(codec, el)
    .slice(0, MAX_DELAYS)
    .flatMap((mark) => {
      try {
        return [codec.decode(mark)]
      } catch {
        // A mark that cannot be read says nothing; the message still counts.
        return []
      }
    })
}
