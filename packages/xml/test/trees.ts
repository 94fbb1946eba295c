import fc from 'fast-check'
import { type Element, element, type Node } from '../src/element.ts'
import { parse } from '../src/parse.ts'

/** Characters that markup, white space rules or prototypes trip over; none that parsers replace. */
const value = fc
  .array(
    fc.oneof(
      fc.constantFrom(...'<>&"\'{}: ', 'é', '😀', ']]>', '&amp;', '<!--'),
      fc.string({ unit: 'grapheme-ascii' }),
    ),
    {
      maxLength: 4,
    },
  )
  .map((parts) => parts.join(''))
const name = fc.constantFrom('a', 'body', 'message', 'toString', 'constructor', 'x-y.z', '_1', 'é')
const uri = fc.constantFrom('jabber:client', 'urn:a', 'urn:b', 'http://example.org/{x}', '')
const key = fc.oneof(
  name,
  fc.constant('xml:lang'),
  fc
    .tuple(fc.constantFrom('urn:a', 'urn:b', 'http://example.org/}x'), name)
    .map(([ns, local]) => `{${ns}}${local}`),
)

/** Elements of any shape that fits the limits. */
export const tree: fc.Arbitrary<Element> = fc.letrec<{ node: Node; el: Element }>((tie) => ({
  el: fc
    .tuple(uri, name, fc.dictionary(key, value, { maxKeys: 4 }), fc.array(tie('node'), { maxLength: 4 }))
    .map(([ns, local, attrs, nodes]) => element(ns, local, attrs, nodes)),
  node: fc.oneof({ depthSize: 'small' }, value, tie('el')),
})).el

/** `depth` elements within one another. */
export function deep(depth: number): Element {
  let el = element('urn:a', 'a')
  for (let i = 1; i < depth; i++) el = element('urn:a', 'a', {}, el)
  return el
}

/** An element that `element` did not make, so nothing has been checked. */
export function unchecked(
  name: string,
  ns = 'urn:a',
  attrs: Record<string, string> = {},
  text = '',
): Element {
  return { name, ns, attrs, children: text === '' ? [] : [text] }
}

/** A stanza with everything that adapters differ in, in two spellings of the same. */
export const PREFIXED =
  "<s:message xmlns:s='jabber:client' xmlns:o='urn:xmpp:omemo:2' xml:lang='en' o:mark='1' id='7'>" +
  "<o:encrypted><o:header sid='1'/></o:encrypted><s:body>x &lt; y</s:body><plain xmlns=''><inner/></plain></s:message>"
export const MESSAGE = parse(
  "<message xmlns='jabber:client' xmlns:p='urn:xmpp:omemo:2' xml:lang='en' p:mark='1' id='7'>" +
    "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'/></encrypted><body>x &lt; y</body><plain xmlns=''><inner/></plain></message>",
)
