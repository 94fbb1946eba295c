import { bareJid, element, serialize } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import { decodeContent, encodeContent } from '../src/elements/content.ts'
import { PADDING_STEP } from '../src/elements/padding.ts'

const juliet = bareJid.decode('juliet@example.org')
const random = (length: number) => new Uint8Array(length).fill(7)

test.each(['signcrypt', 'sign', 'crypt'] as const)(
  'XEP-0373 §3.1: <%s/> is read as it was written',
  (kind) => {
    if (juliet === undefined) throw new Error('no JID')
    const payload = [element('jabber:client', 'body', {}, 'This is a secret message.')]
    const content = { kind, to: [juliet], time: new Date('2014-07-10T15:06:00Z'), payload }
    const bytes = encodeContent(content, random)
    const read = decodeContent(bytes)
    expect({ ...read, payload: read.payload.map((el) => serialize(el)) }).toEqual({
      ...content,
      payload: payload.map((el) => serialize(el)),
    })
    if (kind !== 'sign') expect(bytes.length % PADDING_STEP).toBe(0)
  },
)
