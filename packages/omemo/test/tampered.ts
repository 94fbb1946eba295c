/** Stanzas with something else in their `<encrypted/>` than their sender wrote. */
import type { Element } from '@xmpp-e2e/xml'
import type { Bytes } from '../src/bytes.ts'
import type { Namespace } from '../src/protocol.ts'
import { encryptedFormats } from '../src/stanza/encrypted.ts'
import { flipped } from './support.ts'

/** The same stanza with another `<encrypted/>`. */
export function changed(
  stanza: Element,
  namespace: Namespace,
  change: (encrypted: ReturnType<(typeof encryptedFormats)[Namespace]['decode']>) => object,
): Element {
  const format = encryptedFormats[namespace]
  const children = stanza.children.map((el) => {
    if (typeof el === 'string' || el.name !== 'encrypted') return el
    const encrypted = format.decode(el)
    return format.encode({ ...encrypted, ...change(encrypted) })
  })
  return { ...stanza, children }
}

export function tampered(stanza: Element, namespace: Namespace, at: 'key' | 'payload'): Element {
  return changed(stanza, namespace, ({ keys, payload }) => {
    const flip = (bytes: Bytes) => flipped(bytes, bytes.length - 3, 0)
    return at === 'payload'
      ? { payload: flip(payload as Bytes) }
      : { keys: keys.map((key) => ({ ...key, data: flip(key.data) })) }
  })
}
