import { bare, children, element, elements, parse, serialize } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { MAX_PAYLOAD_LENGTH } from '../../src/payload.ts'
import { AXOLOTL, OMEMO_2 } from '../../src/protocol.ts'
import {
  type Encrypted,
  type EncryptedKey,
  encryptedFormats,
  keysFor,
  MAX_KEYS,
  MAX_KEYS_TRIED,
} from '../../src/stanza/encrypted.ts'
import { encryptedElements, messageChildren } from '../../src/stanza/message.ts'
import { failure } from '../support.ts'

const both = [AXOLOTL, OMEMO_2] as const
const juliet = bare('juliet@capulet.lit')
const romeo = bare('romeo@montague.lit')
const data = Uint8Array.of(1, 2, 3)
const iv = new Uint8Array(12).fill(9)

function key(rid: number, jid: string = juliet): EncryptedKey {
  return { jid, rid, keyExchange: false, data }
}

/** The same for both versions, which leave out what they do not have. */
function example(keys: readonly EncryptedKey[], more: Partial<Encrypted> = {}): Encrypted {
  return { sid: 27183, keys, iv, ...more }
}

describe('XEP-0384 §5.5.3, 0.3.0 §4.5: what is written', () => {
  test('0.3 has no JIDs, omemo:2 no IV', () => {
    const keys = [key(1), key(2, romeo)]
    expect(encryptedFormats[AXOLOTL].decode(encryptedFormats[AXOLOTL].encode(example(keys)))).toEqual({
      sid: 27183,
      keys: [
        { rid: 1, keyExchange: false, data },
        { rid: 2, keyExchange: false, data },
      ],
      iv,
    })
    expect(encryptedFormats[OMEMO_2].decode(encryptedFormats[OMEMO_2].encode(example(keys)))).toEqual({
      sid: 27183,
      keys,
    })
  })

  test('omemo:2: one <keys/> for each account, however the keys are ordered', () => {
    const written = encryptedFormats[OMEMO_2].encode(
      example([key(1), key(2, romeo), key(3, 'Juliet@Capulet.lit'), key(4, romeo)]),
    )
    expect(encryptedFormats[OMEMO_2].decode(written).keys.map(({ jid, rid }) => [jid, rid])).toEqual([
      [juliet, 1],
      [juliet, 3],
      [romeo, 2],
      [romeo, 4],
    ])
    const [header] = elements(written)
    expect(header && elements(header).length).toBe(2)
  })

  // XEP-0384 0.9.1 §11, as python-omemo checks it.
  test.each(both)('%s: nothing that the schema does not name', (ns) => {
    const keys = [key(1), { ...key(2), keyExchange: true }]
    const xml = serialize(encryptedFormats[ns].encode(example(keys, { payload: data })))
    const flag = ns === AXOLOTL ? 'prekey' : 'kex'
    expect(xml.match(/ [a-z:]+=/g)?.sort()).toEqual(
      [' xmlns=', ' sid=', ' rid=', ' rid=', ` ${flag}=`, ...(ns === OMEMO_2 ? [' jid='] : [])].sort(),
    )
    expect(xml).toContain(`${flag}="true"`)
    expect(xml).not.toContain('false')
  })

  test.each(both)('%s: 1 to MAX_KEYS keys', (ns) => {
    const keys = Array.from({ length: MAX_KEYS + 1 }, (_, i) => key(i + 1, i % 2 ? romeo : juliet))
    const full = encryptedFormats[ns].encode(example(keys.slice(1)))
    expect(encryptedFormats[ns].decode(full).keys.length).toBe(MAX_KEYS)
    expect(() => encryptedFormats[ns].encode(example(keys))).toThrow(RangeError)
    expect(() => encryptedFormats[ns].encode(example([]))).toThrow(RangeError)
  })

  test('a stanza of both limits is within 1 MiB', () => {
    const keyExchange = { ...key(2 ** 32 - 1), keyExchange: true, data: new Uint8Array(213) }
    const keys = Array.from({ length: MAX_KEYS }, () => keyExchange)
    for (const ns of both) {
      const full = example(keys, { payload: new Uint8Array(MAX_PAYLOAD_LENGTH) })
      expect(serialize(encryptedFormats[ns].encode(full)).length).toBeLessThan(2 ** 20)
    }
  })

  test.each(both)('%s: a payload of at most MAX_PAYLOAD_LENGTH', (ns) => {
    const payload = new Uint8Array(MAX_PAYLOAD_LENGTH)
    const full = encryptedFormats[ns].encode(example([key(1)], { payload }))
    expect(encryptedFormats[ns].decode(full).payload?.length).toBe(MAX_PAYLOAD_LENGTH)
    const more = example([key(1)], { payload: new Uint8Array(MAX_PAYLOAD_LENGTH + 1) })
    expect(() => encryptedFormats[ns].encode(more)).toThrow(RangeError)
  })

  test.each(both)('%s: our own id is 1 to 2³¹ − 1, those of others to 2³² − 1', (ns) => {
    const write = (sid: number, rid: number) => encryptedFormats[ns].encode(example([key(rid)], { sid }))
    expect(encryptedFormats[ns].decode(write(2 ** 31 - 1, 2 ** 32 - 1)).keys[0]?.rid).toBe(2 ** 32 - 1)
    for (const id of [0, -1, 1.5, 2 ** 31, Number.NaN]) expect(() => write(id, 1)).toThrow(RangeError)
    for (const id of [0, -1, 1.5, 2 ** 32, Number.NaN]) expect(() => write(1, id)).toThrow(RangeError)
  })

  test('what a version needs', () => {
    const { iv: _, ...withoutIv } = example([key(1)])
    expect(() => encryptedFormats[AXOLOTL].encode(withoutIv)).toThrow(TypeError)
    const { jid: __, ...withoutJid } = key(1)
    expect(() => encryptedFormats[OMEMO_2].encode(example([withoutJid]))).toThrow(TypeError)
    for (const jid of ['', '@', 'juliet@capulet.lit/balcony'])
      expect(() => encryptedFormats[OMEMO_2].encode(example([key(1, jid)]))).toThrow(RangeError)
  })
})

describe('XEP-0384 §5.5.3, 0.3.0 §4.5: limits when reading', () => {
  const keyOf = (ns: string) => element(ns, 'key', { rid: 1 }, 'AAAA')

  test('0.3: MAX_KEYS keys', () => {
    const read = (count: number) => {
      const keys = Array.from({ length: count }, () => keyOf(AXOLOTL))
      const header = element(AXOLOTL, 'header', { sid: 1 }, keys)
      return encryptedFormats[AXOLOTL].decode(element(AXOLOTL, 'encrypted', {}, header))
    }
    expect(read(MAX_KEYS).keys.length).toBe(MAX_KEYS)
    const error = failure(() => read(MAX_KEYS + 1))
    expect([error.code, error.path]).toEqual(['message-malformed', 'encrypted/header/key'])
  })

  // In one account, spread over accounts, and accounts without any key.
  test.each([
    [1, MAX_KEYS, 'encrypted/header/keys/key'],
    [2, MAX_KEYS / 2, 'encrypted/header/keys/key'],
    [MAX_KEYS, 0, 'encrypted/header/keys'],
  ])('omemo:2: %i accounts with %i keys each', (accounts, keysEach, path) => {
    const read = (more: number) => {
      const keys = (count: number) => Array.from({ length: count }, () => keyOf(OMEMO_2))
      const count = (i: number) => (i === 0 ? keysEach + (keysEach ? more : 0) : keysEach)
      const groups = Array.from({ length: accounts + (keysEach ? 0 : more) }, (_, i) =>
        element(OMEMO_2, 'keys', { jid: `a${i}@b.example` }, keys(count(i))),
      )
      const header = element(OMEMO_2, 'header', { sid: 1 }, groups)
      return encryptedFormats[OMEMO_2].decode(element(OMEMO_2, 'encrypted', {}, header))
    }
    expect(read(0).keys.length).toBe(accounts * keysEach)
    const error = failure(() => read(1))
    expect([error.code, error.path]).toEqual(['message-malformed', path])
  })

  // Without it, junk would be read for as long as the stanza lasts.
  test.each(both)('%s: keys that cannot be read count', (ns) => {
    const read = (count: number) => {
      const keys = Array.from({ length: count }, () => element(ns, 'key', { rid: 'x' }, '*'))
      const inHeader =
        ns === AXOLOTL ? keys : [keys.slice(1), keys.slice(0, 1)].map((some) => element(ns, 'keys', {}, some))
      return encryptedFormats[ns].decode(
        element(ns, 'encrypted', {}, element(ns, 'header', { sid: 1 }, inHeader)),
      )
    }
    expect(read(MAX_KEYS)).toEqual({ sid: 1, keys: [] })
    expect(failure(() => read(MAX_KEYS + 1)).code).toBe('message-malformed')
  })

  test.each(both)('%s: MAX_PAYLOAD_LENGTH', (ns) => {
    const full = encryptedFormats[ns].encode(
      example([key(1)], { payload: new Uint8Array(MAX_PAYLOAD_LENGTH) }),
    )
    const text = elements(full)[1]?.children[0] as string
    const longer = element(ns, 'encrypted', {}, full.children[0], element(ns, 'payload', {}, `AAAA${text}`))
    const error = failure(() => encryptedFormats[ns].decode(longer))
    expect([error.code, error.path]).toEqual(['message-malformed', 'encrypted/payload'])
  })
})

describe('XEP-0384 §5.6, 0.3.0 §4.7: which keys are ours', () => {
  const bytes = (n: number) => Uint8Array.of(n)

  test('0.3: all with our device id, since they do not say whose they are', () => {
    const encrypted = encryptedFormats[AXOLOTL].decode(
      parse(
        `<encrypted xmlns='${AXOLOTL}'><header sid='1'><key rid='7'>AQ==</key><key rid='8'>Ag==</key><key rid='7'>Aw==</key></header></encrypted>`,
      ),
    )
    expect(keysFor(encrypted, { jid: juliet, deviceId: 7 }).map((k) => k.data)).toEqual([bytes(1), bytes(3)])
    expect(keysFor(encrypted, { jid: juliet, deviceId: 9 })).toEqual([])
  })

  test.each(both)('%s: at most MAX_KEYS_TRIED, the first', (ns) => {
    const keys = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ ...key(7), data: bytes(i) })).flatMap((ours) => [
        key(8),
        ours,
      ])
    const found = (count: number) => {
      const encrypted = encryptedFormats[ns].decode(encryptedFormats[ns].encode(example(keys(count))))
      return keysFor(encrypted, { jid: juliet, deviceId: 7 }).map((k) => k.data)
    }
    const first = Array.from({ length: MAX_KEYS_TRIED }, (_, i) => bytes(i))
    expect(found(MAX_KEYS_TRIED)).toEqual(first)
    expect(found(MAX_KEYS_TRIED + 1)).toEqual(first)
    expect(found(MAX_KEYS / 2)).toEqual(first)
  })

  test('omemo:2: those with our JID in any spelling and our device id', () => {
    const keys = (jid: string, n: string) => `<keys jid='${jid}'><key rid='7'>${n}</key></keys>`
    const encrypted = encryptedFormats[OMEMO_2].decode(
      parse(
        `<encrypted xmlns='${OMEMO_2}'><header sid='1'>${keys('romeo@montague.lit', 'AQ==')}${keys('JULIET@capulet.LIT', 'Ag==')}${keys('juliet@capulet.lit', 'Aw==')}${keys('juliet@capulet.lit/balcony', 'BA==')}${keys('@', 'BQ==')}</header></encrypted>`,
      ),
    )
    expect(keysFor(encrypted, { jid: juliet, deviceId: 7 }).map((k) => k.data)).toEqual([bytes(2), bytes(3)])
    expect(keysFor(encrypted, { jid: juliet, deviceId: 8 })).toEqual([])
    expect(keysFor(encrypted, { jid: romeo, deviceId: 7 }).map((k) => k.data)).toEqual([bytes(1)])
  })
})

describe('XEP-0380, XEP-0334, XEP-0420 §7 and §10: around <encrypted/>', () => {
  const encrypted = (ns: string) => element(ns, 'encrypted')
  const message = (...inside: Parameters<typeof messageChildren>) =>
    element('jabber:client', 'message', {}, messageChildren(...inside))

  test('a stanza may hold several; omemo:2 comes first', () => {
    const stanza = element(
      'jabber:client',
      'message',
      {},
      encrypted(AXOLOTL),
      encrypted('urn:xmpp:omemo:1'),
      encrypted('jabber:client'),
      element('jabber:client', 'x', {}, encrypted(OMEMO_2)),
      encrypted(OMEMO_2),
      encrypted(OMEMO_2),
    )
    expect(encryptedElements(stanza).map(({ namespace, element: { ns } }) => [namespace, ns])).toEqual([
      [OMEMO_2, OMEMO_2],
      [OMEMO_2, OMEMO_2],
      [AXOLOTL, AXOLOTL],
    ])
    expect(encryptedElements(element('jabber:client', 'message'))).toEqual([])
  })

  test.each([
    [[AXOLOTL], true],
    [[OMEMO_2], false],
    [[OMEMO_2, AXOLOTL], true],
  ] as const)('%j: a hint for each with a name, <store/>, a body: %s', (namespaces, hasBody) => {
    const stanza = message(namespaces.map(encrypted), 'I sent you an OMEMO encrypted message')
    expect(children(stanza, 'encryption', 'urn:xmpp:eme:0').map(({ attrs }) => ({ ...attrs }))).toEqual(
      [...namespaces]
        .reverse()
        .map((namespace) => ({ namespace, name: namespace === AXOLOTL ? 'OMEMO' : 'OMEMO 2' })),
    )
    expect(children(stanza, 'store', 'urn:xmpp:hints').length).toBe(1)
    expect(children(stanza, 'body').map((body) => body.children)).toEqual(
      hasBody ? [['I sent you an OMEMO encrypted message']] : [],
    )
    expect(encryptedElements(stanza).length).toBe(namespaces.length)
  })

  test('no body unless it is given', () => {
    expect(children(message([encrypted(AXOLOTL)]), 'body')).toEqual([])
  })
})
