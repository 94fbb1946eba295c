import type { Element } from './element.ts'
import { XmlError } from './error.ts'
import { LIMITS, type Limits } from './limits.ts'
import { Tree } from './parse-tree.ts'

/**
 * Parses one element that has not passed through a stream: the content of a decrypted message (XEP-0420,
 * XEP-0373), an item from a file. No server has checked it, so this is the only gate.
 *
 * @throws {XmlError} when it is not well-formed, not XML as RFC 6120 §11 restricts it, or above a limit
 * @throws {RangeError} on a limit that is not a number above 0
 */
export function parse(xml: string | Uint8Array, limits: Partial<Limits> = {}): Element {
  const checked = checkLimits(limits)
  // A code unit is at least one byte: so nothing big is decoded only to be refused.
  if (xml.length > checked.bytes) throw new XmlError('policy-violation', 'above the limit of bytes')
  const tree = new Tree(checked, 0)
  tree.write(xml)
  return tree.end()
}

/** Completes them with the defaults. */
export function checkLimits(limits: Partial<Limits>): Limits {
  const checked = { ...LIMITS, ...limits }
  for (const [name, value] of Object.entries(checked))
    if (!(value > 0)) throw new RangeError(`${name}: expected a number above 0`)
  return checked
}
