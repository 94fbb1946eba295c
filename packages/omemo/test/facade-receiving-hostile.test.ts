/** Receiving what no parser, decoder or codec should believe: rows 31 and 32. */
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { StoreError } from '@xmpp-e2e/store'
import { bare } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../src/bytes.ts'
import { OmemoError } from '../src/error.ts'
import { decodeSpent, openedAt } from '../src/message/catch-up.ts'
import { decodeKept } from '../src/message/kept.ts'
import { decrypt } from '../src/message/receiving.ts'
import { payloadCiphers } from '../src/payload.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { records } from '../src/record.ts'
import { type BareAccount, bareAccount } from './bare-account.ts'
import { message, seen, unreadable, waiting } from './outcomes.ts'
import { BOTH, contents, giveList, givePreKeys, live, Peer, stored } from './peer.ts'
import { flipped } from './support.ts'
import { changed } from './tampered.ts'

const romeo = bare('romeo@montague.lit')

async function pair() {
  const juliet = bareAccount()
  await givePreKeys(juliet)
  return { juliet, peer: new Peer(romeo, 7) }
}

describe('rows 31 and 32: what cannot be read', () => {
  const hostile: readonly string[] = [
    '<!DOCTYPE x [<!ENTITY a "aaaa">]><envelope xmlns="urn:xmpp:sce:1"><content/></envelope>',
    '<envelope xmlns="urn:xmpp:sce:1"><content>&a;</content></envelope>',
    '<envelope xmlns="urn:xmpp:sce:1"><?x?><content/></envelope>',
    '<envelope xmlns="urn:xmpp:sce:0"><content/></envelope>',
    `<envelope xmlns="urn:xmpp:sce:1"><content>${'<a>'.repeat(40)}${'</a>'.repeat(40)}</content></envelope>`,
    '<envelope xmlns="urn:xmpp:sce:1"><content/><content/></envelope>',
    '<s:envelope xmlns:s="urn:xmpp:sce:1"><s:content><t:body/></s:content></s:envelope>',
    'no XML',
    '',
  ]

  test.each(hostile)('an envelope that is none changes nothing: %#', async (xml) => {
    const { juliet, peer } = await pair()
    const sealed = payloadCiphers[OMEMO_2].seal(utf8ToBytes(xml))
    const received = live(juliet, await peer.write(juliet, OMEMO_2, 'x', { sealed }))
    const before = await contents(juliet)
    expect(unreadable(await decrypt(juliet, received)).code).toBe('envelope-malformed')
    expect(await contents(juliet)).toBe(before)
  })

  test('content that only servers may send, and a body of another namespace, are not shown', async () => {
    const { juliet, peer } = await pair()
    const nested = await peer.write(juliet, AXOLOTL, 'nested')
    const xml = `<envelope xmlns="urn:xmpp:sce:1"><content><body xmlns="urn:example">a</body><body>b</body>
      <body xmlns="jabber:client">c</body><stanza-id xmlns="urn:xmpp:sid:0" id="x" by="y"/>
      <encrypted xmlns="${AXOLOTL}"/></content></envelope>`
    expect(nested).toBeDefined()
    const sealed = payloadCiphers[OMEMO_2].seal(utf8ToBytes(xml))
    const opened = message(
      await decrypt(juliet, live(juliet, await peer.write(juliet, OMEMO_2, 'x', { sealed }))),
    )
    expect(seen(opened)).toBe('c')
    expect(opened.warnings).toEqual(['from-missing', 'to-missing'])
  })

  test.each([Uint8Array.of(0xff, 0xfe), utf8ToBytes('\u0000'), utf8ToBytes('\ufffe')])(
    'a body of 0.3 that no XML can carry is malformed: %#',
    async (body) => {
      const { juliet, peer } = await pair()
      const sealed = payloadCiphers[AXOLOTL].seal(body)
      const received = live(juliet, await peer.write(juliet, AXOLOTL, 'x', { sealed }))
      expect(unreadable(await decrypt(juliet, received)).code).toBe('message-malformed')
    },
  )

  const decoders: readonly (readonly [string, (bytes: Uint8Array) => unknown])[] = [
    ['kept', decodeKept],
    ['spent', decodeSpent],
    ['catch-up', openedAt],
  ]

  test.each(decoders)('the record %s is refused with state-malformed, or read', async (_, decode) => {
    const refusal = (bytes: Uint8Array) => {
      try {
        decode(bytes)
      } catch (error) {
        if (!(error instanceof OmemoError) || !error.code.startsWith('state-')) throw error
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refusal))
    fc.assert(
      fc.property(fc.json(), (json) => refusal(utf8ToBytes(json))),
      { numRuns: 300 },
    )
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (fields) =>
        refusal(utf8ToBytes(JSON.stringify({ ...fields, v: 1 }))),
      ),
    )
  })

  test('a kept message with any byte changed is refused, or is a message', async () => {
    const { juliet, peer } = await pair()
    const { ref } = message(await decrypt(juliet, live(juliet, await peer.write(juliet, OMEMO_2, 'x'))))
    const bytes = (await stored(juliet, records.kept(ref))) as Bytes
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(7), (offset, bit) => {
        try {
          decodeKept(flipped(bytes, offset, bit))
        } catch (error) {
          if (!(error instanceof OmemoError)) throw error
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a stanza with anything in its <encrypted/> is unreadable and changes nothing', async () => {
    const { juliet, peer } = await pair()
    const stanza = await peer.write(juliet, OMEMO_2, 'x')
    const old = await peer.write(juliet, AXOLOTL, 'x')
    for (const namespace of BOTH) await giveList(juliet, romeo, namespace, [8])
    const before = await contents(juliet)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(stanza, old),
        fc.uint8Array({ minLength: 1, maxLength: 120 }),
        fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined }),
        async (one, data, payload) => {
          const namespace = one === old ? AXOLOTL : OMEMO_2
          const hostile = changed(one, namespace, ({ keys }) => ({
            keys: keys.map((key) => ({ ...key, data: Uint8Array.from(data) })),
            payload: payload && Uint8Array.from(payload),
          }))
          const { kind } = await decrypt(juliet, live(juliet, hostile))
          expect(kind).toBe('unreadable')
        },
      ),
    )
    expect(await contents(juliet)).toBe(before)
  })
})

test.each(BOTH)('row 12: %s: a new session that there was no room for is opened later', async (namespace) => {
  const { juliet, peer } = await pair()
  await giveList(juliet, romeo, namespace, [7])
  const before = bareAccount({ seed: 'before' })
  await givePreKeys(before)
  await decrypt(before, live(before, await peer.write(before, namespace, 'key exchange')))
  await peer.hear(before, namespace)
  const stanza = await peer.write(before, namespace, 'of a session that is not here')
  const { effects } = juliet
  const full: BareAccount = {
    ...juliet,
    effects: {
      ...effects,
      add: async (reader, wanted) => {
        if (wanted.length > 0) throw new StoreError('lane-full', 'full')
        return effects.add(reader, wanted)
      },
    },
  }
  const unchanged = await contents(juliet)
  expect(seen(await decrypt(full, live(full, stanza)))).toBe('(session-missing)')
  expect(await contents(juliet)).toBe(unchanged)
  expect(seen(await decrypt(juliet, live(juliet, stanza)))).toBe('(session-missing)')
  expect(await waiting(juliet)).toEqual(['heal'])
})
