import { expect, test } from 'vitest'
import { element } from '../src/element.ts'
import { type Hint, hint, hintsOf } from '../src/hints.ts'

const all: Hint[] = ['store', 'no-store', 'no-copy', 'no-permanent-store']

test.each(all)('XEP-0334 §4: %s', (name) => {
  const written = hint(name)
  expect(written).toEqual(element('urn:xmpp:hints', name))
  expect([...hintsOf(element('jabber:client', 'message', {}, written, written))]).toEqual([name])
})

test('XEP-0334 §4: others, and those of other namespaces, are none', () => {
  const odd = [element('urn:xmpp:hints', 'toString'), element('jabber:client', 'store')]
  expect(hintsOf(element('jabber:client', 'message', {}, odd)).size).toBe(0)
})

test('XEP-0334 §5: on an error they do not count', () => {
  expect(hintsOf(element('jabber:client', 'message', { type: 'error' }, all.map(hint))).size).toBe(0)
})
