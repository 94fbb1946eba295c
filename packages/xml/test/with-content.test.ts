import { describe, expect, test } from 'vitest'
import { elements } from '../src/element.ts'
import { parse } from '../src/parse.ts'
import { isAllowedContent } from '../src/server-processed.ts'
import { withContent } from '../src/with-content.ts'

const outerWith = (children: string) =>
  parse(
    "<message xmlns='jabber:client' xmlns:p='urn:p' id='1' from='a@b/c' to='d@e' type='chat' xml:lang='en' p:q='r' other='s'>" +
      `text${children}</message>`,
  )
const el = (xml: string) => parse(xml.replace(/^<([a-z-]+)(?![^>]*xmlns)/, "<$1 xmlns='jabber:client'"))
const body = el('<body>secret</body>')

const STAMP = "<delay xmlns='urn:xmpp:delay' from='e' stamp='2002-09-10T23:08:25Z'/>"
const ORIGIN = "<origin-id xmlns='urn:xmpp:sid:0' id='1'/>"
const TRAVEL = [
  STAMP,
  "<x xmlns='jabber:x:delay' from='e' stamp='20020910T23:08:25'/>",
  "<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='d@e'/>",
  "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='1'/>",
  "<store xmlns='urn:xmpp:hints'/>",
  "<no-store xmlns='urn:xmpp:hints'/>",
  "<no-copy xmlns='urn:xmpp:hints'/>",
  "<no-permanent-store xmlns='urn:xmpp:hints'/>",
  "<encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:omemo:2'/>",
]
const MEANING = [
  '<body>injected</body>',
  '<subject>injected</subject>',
  '<thread>injected</thread>',
  "<replace xmlns='urn:xmpp:message-correct:0' id='0'/>",
  "<reply xmlns='urn:xmpp:reply:0' id='0'/>",
  "<reactions xmlns='urn:xmpp:reactions:0' id='0'/>",
  "<request xmlns='urn:xmpp:receipts'/>",
  "<markable xmlns='urn:xmpp:chat-markers:0'/>",
  "<active xmlns='http://jabber.org/protocol/chatstates'/>",
  "<x xmlns='jabber:x:oob'><url>https://example.org/</url></x>",
  "<retract xmlns='urn:xmpp:message-retract:1' id='0'/>",
  "<opt-out xmlns='urn:xmpp:omemo:2'/>",
  "<trust-message xmlns='urn:xmpp:tm:1'/>",
  "<encrypted xmlns='urn:example'/>",
  "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'/></forwarded>",
]
const NEVER = [
  "<sent xmlns='urn:xmpp:carbons:2'/>",
  "<received xmlns='urn:xmpp:carbons:2'/>",
  "<received xmlns='urn:xmpp:carbons:1'/>",
  "<private xmlns='urn:xmpp:carbons:2'/>",
  "<result xmlns='urn:xmpp:mam:2'/>",
  "<result xmlns='urn:xmpp:mam:1'/>",
  "<result xmlns='urn:xmpp:mam:tmp'/>",
  "<addresses xmlns='http://jabber.org/protocol/address'/>",
  "<address xmlns='http://jabber.org/protocol/address'/>",
  "<x xmlns='http://jabber.org/protocol/muc#user'/>",
  "<event xmlns='http://jabber.org/protocol/pubsub#event'/>",
  '<message/>',
  '<iq/>',
  '<presence/>',
  '<error/>',
  "<message xmlns='jabber:server'/>",
  "<body xmlns='jabber:server'/>",
  "<body xmlns=''/>",
  "<body xmlns='urn:x'/>",
  "<encrypted xmlns='eu.siacs.conversations.axolotl'/>",
  "<encrypted xmlns='urn:xmpp:omemo:1'/>",
  "<encrypted xmlns='urn:xmpp:omemo:2'/>",
  "<openpgp xmlns='urn:xmpp:openpgp:0'/>",
  "<x xmlns='jabber:x:encrypted'/>",
  "<x xmlns='jabber:x:signed'/>",
  "<envelope xmlns='urn:xmpp:sce:1'/>",
  "<envelope xmlns='urn:xmpp:sce:0'/>",
  "<other xmlns='urn:xmpp:hints'/>",
]

describe('XEP-0420 §9: what may stand outside of content', () => {
  test.each([...TRAVEL, ORIGIN])('kept: %s', (xml) => {
    expect(elements(withContent(outerWith(xml), [body]))).toEqual([body, el(xml)])
  })

  test.each([...MEANING, ...NEVER, "<store xmlns='urn:x'/>"])('left out: %s', (xml) => {
    expect(withContent(outerWith(xml), [body]).children).toEqual([body])
  })

  test('attributes: id, from, to, type and language; text is left out', () => {
    const { attrs, children, name, ns } = withContent(outerWith(''), [])
    expect({ ...attrs }).toEqual({ id: '1', from: 'a@b/c', to: 'd@e', type: 'chat', 'xml:lang': 'en' })
    expect([name, ns, children]).toEqual(['message', 'jabber:client', []])
  })
})

describe('XEP-0420 §9: what may stand in content', () => {
  test.each([...MEANING, ORIGIN])('kept: %s', (xml) => {
    expect(isAllowedContent(el(xml))).toBe(true)
    expect(withContent(outerWith(''), [el(xml)]).children).toEqual([el(xml)])
  })

  test.each([...TRAVEL, ...NEVER])('discarded: %s', (xml) => {
    expect(isAllowedContent(el(xml))).toBe(false)
    expect(withContent(outerWith(''), [el(xml), body]).children).toEqual([body])
  })

  test('an origin-id in content replaces the one outside', () => {
    const inside = el("<origin-id xmlns='urn:xmpp:sid:0' id='2'/>")
    expect(withContent(outerWith(ORIGIN + STAMP), [inside]).children).toEqual([inside, el(STAMP)])
  })
})
