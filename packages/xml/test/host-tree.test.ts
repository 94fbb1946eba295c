import { describe, expect, test } from 'vitest'
import { type Element, element } from '../src/element.ts'
import { fromJxt, type JxtJson, toJxt } from '../src/jxt.ts'
import { LIMITS } from '../src/limits.ts'
import { deep } from './trees.ts'

const violation = expect.objectContaining({ condition: 'policy-violation' })
const root = (children: readonly Element[]): Element => element('urn:a', 'a', {}, children)
const filled = <T>(length: number, of: (i: number) => T): T[] => Array.from({ length }, (_, i) => of(i))
const jxt = (
  attributes: JxtJson['attributes'] = { xmlns: 'urn:a' },
  children: JxtJson['children'] = [],
): JxtJson => ({ name: 'a', attributes, children })

describe('adapters keep the limits of the parser, at n and n + 1', () => {
  test('depth', () => {
    expect(fromJxt(toJxt(deep(LIMITS.depth)))).toEqual(deep(LIMITS.depth))
    expect(() => toJxt(deep(LIMITS.depth + 1))).toThrow(violation)
    expect(() => fromJxt(jxt({ xmlns: 'urn:a' }, [toJxt(deep(LIMITS.depth))]))).toThrow(violation)
  })

  test('elements', () => {
    const child = element('urn:a', 'a')
    const most = root(filled(LIMITS.elements - 1, () => child))
    expect(fromJxt(toJxt(most)).children).toHaveLength(LIMITS.elements - 1)
    expect(() => toJxt(root([...filled(LIMITS.elements - 1, () => child), child]))).toThrow(violation)
    expect(() =>
      fromJxt(
        jxt(
          undefined,
          filled(LIMITS.elements, () => jxt()),
        ),
      ),
    ).toThrow(violation)
  })

  test('attributes, declarations included', () => {
    const plain = (n: number) => Object.fromEntries(filled(n, (i) => [`b${i}`, '']))
    const most = element('urn:a', 'a', plain(LIMITS.attributes - 1))
    expect(fromJxt(toJxt(most))).toEqual(most)
    expect(() => toJxt(element('urn:a', 'a', plain(LIMITS.attributes)))).toThrow(violation)
    expect(() => fromJxt(jxt({ xmlns: 'urn:a', ...plain(LIMITS.attributes) }))).toThrow(violation)
  })
})
