/** Several accounts and schemes in one store, each with keys of its own. */

import { checkKey, checkPrefix, type Store } from './store.ts'

/**
 * A view of the part of a store that belongs to `name`. Scopes of different names never meet, whatever the
 * names (`a` and `ab`, `a/b` and `b` within `a`), and scopes nest. Tokens are those of the store itself, so
 * they may be mixed; a commit through a scope writes in that scope only.
 *
 * A key gets `name` and a slash put before it and may be as much shorter than `MAX_KEY_BYTES`; each `/` and `&` in
 * the name takes one byte more.
 *
 * @throws {TypeError | RangeError} when the name is empty or has characters that no key may have
 */
export function scoped(store: Store, name: string): Store {
  checkKey(name)
  const prefix = `${escapeName(name)}/`
  const outer = (key: string): string => {
    checkKey(key)
    return prefix + key
  }
  return {
    read: async (keys) => store.read(keys.map(outer)),
    list: async (inner) => {
      checkPrefix(inner)
      const { entries, token } = await store.list(prefix + inner)
      return { entries: entries.map(([key, value]) => [key.slice(prefix.length), value]), token }
    },
    commit: async (tokens, batch) =>
      store.commit(tokens, {
        put: (batch.put ?? []).map(([key, value]) => [outer(key), value]),
        delete: (batch.delete ?? []).map(outer),
      }),
  }
}

/**
 * The name without slashes; two names give two results. `&` escapes: neither it nor the slash may be in a bare JID
 * (RFC 7622 §3.3.1), so that the longest one stays as long as it is.
 */
export function escapeName(name: string): string {
  return name.replaceAll('&', '&a').replaceAll('/', '&s')
}

/** What `escapeName` was given. */
export function unescapeName(escaped: string): string {
  return escaped.replaceAll('&s', '/').replaceAll('&a', '&')
}
