import { describe, expect, test } from 'vitest'
import { encryption, encryptionName, encryptionOf } from '../src/eme.ts'
import { parse } from '../src/parse.ts'

const on = (children: string) => parse(`<message xmlns='jabber:client'>${children}</message>`)
const mark = (namespace: string, name = '') =>
  `<encryption xmlns='urn:xmpp:eme:0' namespace='${namespace}'${name && ` name='${name}'`}/>`
const OMEMO2 = { namespace: 'urn:xmpp:omemo:2', name: 'OMEMO 2' }
const OTR = { namespace: 'urn:xmpp:otr:0', name: 'OTR' }

describe('XEP-0380 §3.2: by the mark', () => {
  test.each([
    ['urn:xmpp:otr:0', 'OTR'],
    ['jabber:x:encrypted', 'Legacy OpenPGP'],
    ['urn:xmpp:openpgp:0', 'OpenPGP for XMPP'],
    ['eu.siacs.conversations.axolotl', 'OMEMO'],
    ['urn:xmpp:omemo:1', 'OMEMO 1'],
    ['urn:xmpp:omemo:2', 'OMEMO 2'],
  ])('%s is %s', (namespace, name) => {
    expect(encryptionName(namespace)).toBe(name)
    expect(encryptionOf(on(mark(namespace)))).toEqual({ namespace, name })
    // §4: "MUST NOT use the 'name' attribute if … they already have a name".
    expect(encryptionOf(on(mark(namespace, 'evil')))).toEqual({ namespace, name })
  })

  test.each([
    ['unknown, with name', mark('urn:x', 'X'), { namespace: 'urn:x', name: 'X' }],
    ['unknown, without name', mark('urn:x'), { namespace: 'urn:x' }],
    ['a name of every object', mark('constructor'), { namespace: 'constructor' }],
    ['without namespace', "<encryption xmlns='urn:xmpp:eme:0'/>", undefined],
    ['of another namespace', "<encryption namespace='urn:x'/>", undefined],
    ['none', '<body>hello</body>', undefined],
  ])('%s', (_name, xml, expected) => {
    expect(encryptionOf(on(xml))).toEqual(expected)
  })
})

describe('by what it carries, marked or not', () => {
  test.each([
    ['OMEMO 2', "<encrypted xmlns='urn:xmpp:omemo:2'/>", OMEMO2],
    ['OMEMO 1', "<encrypted xmlns='urn:xmpp:omemo:1'/>", { namespace: 'urn:xmpp:omemo:1', name: 'OMEMO 1' }],
    [
      'OMEMO',
      "<encrypted xmlns='eu.siacs.conversations.axolotl'/>",
      { namespace: 'eu.siacs.conversations.axolotl', name: 'OMEMO' },
    ],
    [
      'OX',
      "<openpgp xmlns='urn:xmpp:openpgp:0'/>",
      { namespace: 'urn:xmpp:openpgp:0', name: 'OpenPGP for XMPP' },
    ],
    [
      'XEP-0027',
      "<x xmlns='jabber:x:encrypted'/>",
      { namespace: 'jabber:x:encrypted', name: 'Legacy OpenPGP' },
    ],
    ['OTR, encoded', '<body>?OTR:AAMD.</body>', OTR],
    ['OTR, a fragment of version 3', '<body>?OTR|5a73a599|27e31597,1,3,?OTR:A,</body>', OTR],
    ['OTR, a fragment of version 2', '<body>?OTR,1,3,?OTR:A,</body>', OTR],
    ['OTR, a query is readable', '<body>?OTRv23?</body>', undefined],
    ['OTR, an error is readable', '<body>?OTR Error: x</body>', undefined],
    ['OTR, in the middle of a sentence', '<body>I said ?OTR:AAMD.</body>', undefined],
    ['another element of the namespace', "<list xmlns='eu.siacs.conversations.axolotl'/>", undefined],
    ['the mark is wrong', `${mark('urn:xmpp:otr:0')}<encrypted xmlns='urn:xmpp:omemo:2'/>`, OMEMO2],
    ['the body is what others show', "<body>?OTR:AAMD.</body><encrypted xmlns='urn:xmpp:omemo:2'/>", OMEMO2],
  ])('%s', (_name, xml, expected) => {
    expect(encryptionOf(on(xml))).toEqual(expected)
  })
})

test('written as it is read', () => {
  for (const value of [{ namespace: 'urn:x', name: 'X' }, { namespace: 'urn:xmpp:omemo:2' }])
    expect(encryption.decode(encryption.encode(value))).toEqual(value)
})
