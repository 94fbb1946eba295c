/** How stanzas of both versions are read: what is broken fails with a path, and where many stand, costs only itself. */
import { type Codec, type Field, many, ShapeError } from '@xmpp-e2e/xml'
import { OmemoError, type OmemoErrorCode } from '../error.ts'

/** Runs a codec; what is wrong with the element comes back as this package's error, with the same path. */
export function decodeAs<T>(code: OmemoErrorCode, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error
    throw new OmemoError(code, error.message, { path: error.path, cause: error })
  }
}

/**
 * Child elements, at most `max` of them. One that cannot be read does not take the others with it: it counts, and
 * is left out.
 */
export function manyReadable<T>(codec: Codec<T>, max: number): Field<readonly T[]> {
  return {
    ...many(codec, { max }),
    read(el, at) {
      const found = el.children.filter(codec.is)
      if (found.length > max)
        throw new ShapeError('too-many', `${at}/${codec.name}`, `${found.length}, expected ${max} or less`)
      return found.map((node) => readable(() => codec.decode(node))).filter((item) => item !== undefined)
    },
  }
}

/** The same for elements with an id: of several with one id the first is taken. */
export function manyById<T extends { readonly id: number }>(
  codec: Codec<T>,
  max: number,
): Field<readonly T[]> {
  const all = manyReadable(codec, max)
  return {
    ...all,
    read(el, at) {
      const byId = new Map<number, T>()
      for (const item of all.read(el, at)) if (!byId.has(item.id)) byId.set(item.id, item)
      return [...byId.values()]
    },
  }
}

function readable<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof ShapeError) return undefined
    throw error
  }
}
