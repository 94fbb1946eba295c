import { describe, expect, test } from 'vitest'
import { delay, delaysOf } from '../src/delay.ts'
import { jid } from '../src/jid.ts'
import { parse } from '../src/parse.ts'

const on = (children: string) => parse(`<message xmlns='jabber:client'>${children}</message>`)
const stamp = new Date('2002-09-10T23:08:25Z')
const capulet = jid.decode('capulet.com')

describe('XEP-0203 §3 and XEP-0091 §3', () => {
  test.each([
    [
      'with everything',
      "<delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='2002-09-10T23:08:25Z'>Offline Storage</delay>",
      [{ from: capulet, stamp, reason: 'Offline Storage' }],
    ],
    ['the stamp alone', "<delay xmlns='urn:xmpp:delay' stamp='2002-09-11T01:08:25+02:00'/>", [{ stamp }]],
    [
      'several',
      "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/><delay xmlns='urn:xmpp:delay' from='Capulet.com' stamp='2002-09-10T23:08:25Z'/>",
      [{ stamp }, { stamp, from: capulet }],
    ],
    [
      'old form',
      "<x xmlns='jabber:x:delay' from='capulet.com' stamp='20020910T23:08:25'>Offline Storage</x>",
      [{ from: capulet, stamp, reason: 'Offline Storage' }],
    ],
    [
      'both forms',
      "<x xmlns='jabber:x:delay' stamp='19990910T23:08:25'/><delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/>",
      [{ stamp }],
    ],
    ['none', '<body/>', []],
    ['no stamp', "<delay xmlns='urn:xmpp:delay' from='capulet.com'/>", []],
    ['a stamp without offset', "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25'/>", []],
    ['a stamp in the old form', "<delay xmlns='urn:xmpp:delay' stamp='20020910T23:08:25'/>", []],
    ['an old stamp in the new form', "<x xmlns='jabber:x:delay' stamp='2002-09-10T23:08:25Z'/>", []],
    ['an old stamp that does not exist', "<x xmlns='jabber:x:delay' stamp='20020230T23:08:25'/>", []],
    ['from no JID', "<delay xmlns='urn:xmpp:delay' from='@' stamp='2002-09-10T23:08:25Z'/>", []],
    ['of no namespace', "<delay xmlns='' stamp='2002-09-10T23:08:25Z'/>", []],
  ])('%s', (_name, xml, expected) => {
    expect(delaysOf(on(xml))).toEqual(expected)
  })

  test('written as it is read', () => {
    const value = { from: capulet, stamp, reason: 'Offline Storage' }
    expect(delay.decode(delay.encode(value))).toEqual(value)
  })
})
