import { base64, child, element, elements, parse, serialize, text } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { AXOLOTL, OMEMO_2 } from '../../src/protocol.ts'
import { type Bundle, bundles, MAX_BUNDLE_PRE_KEYS } from '../../src/stanza/bundle.ts'
import { failure } from '../support.ts'

const both = [AXOLOTL, OMEMO_2] as const

const key = (fill: number, length = 32) => new Uint8Array(length).fill(fill)

function example(preKeys = 2): Bundle {
  return {
    identityKey: key(1),
    signedPreKey: { id: 1, publicKey: key(2), signature: new Uint8Array(64).fill(3) },
    preKeys: Array.from({ length: preKeys }, (_, i) => ({ id: i + 1, publicKey: key(4) })),
  }
}

describe('XEP-0384 §5.3.2 and 0.3.0 §4.3: where bundles are', () => {
  test('0.3: a node for each device', () => {
    expect(bundles[AXOLOTL].location(31415)).toEqual({
      node: 'eu.siacs.conversations.axolotl.bundles:31415',
      item: 'current',
    })
    expect(bundles[AXOLOTL].publishOptions).toEqual({ 'pubsub#access_model': 'open' })
    expect(bundles[AXOLOTL].itemOf([{ id: '1' }, { id: 'x' }], 31415)).toEqual({ id: 'x' })
    expect(bundles[AXOLOTL].itemOf([{ id: 'current' }, { id: 'x' }], 31415)).toEqual({ id: 'current' })
  })

  test('omemo:2: an item for each device', () => {
    expect(bundles[OMEMO_2].location(31415)).toEqual({ node: 'urn:xmpp:omemo:2:bundles', item: '31415' })
    expect(bundles[OMEMO_2].publishOptions).toEqual({
      'pubsub#access_model': 'open',
      'pubsub#max_items': 'max',
    })
    const items = [{ id: '4223' }, { id: '31415' }, { id: 'current' }]
    expect(bundles[OMEMO_2].itemOf(items, 31415)).toBe(items[1])
    expect(bundles[OMEMO_2].itemOf(items, 1)).toBeUndefined()
  })

  test.each(both)('%s: of a device with an id', (ns) => {
    expect(() => bundles[ns].location(2 ** 32 - 1)).not.toThrow()
    for (const id of [0, -1, 1.5, 2 ** 32, Number.NaN])
      expect(() => bundles[ns].location(id)).toThrow(RangeError)
  })
})

describe('XEP-0384 §5.3.2 and 0.3.0 §4.3: bundles', () => {
  test.each(both)('%s: at most MAX_BUNDLE_PRE_KEYS, counted before anything is left out', (ns) => {
    const full = bundles[ns].encode(example(MAX_BUNDLE_PRE_KEYS))
    expect(bundles[ns].decode(full).preKeys.length).toBe(MAX_BUNDLE_PRE_KEYS)
    expect(() => bundles[ns].encode(example(MAX_BUNDLE_PRE_KEYS + 1))).toThrow(RangeError)
    expect(() => bundles[ns].encode(example(0))).toThrow(RangeError)
    const preKeys = full.children.at(-1)
    if (typeof preKeys !== 'object') throw new Error('no prekeys')
    const name = ns === AXOLOTL ? 'preKeyPublic' : 'pk'
    const more = element(
      ns,
      'bundle',
      {},
      full.children.slice(0, -1),
      element(ns, 'prekeys', {}, preKeys.children, element(ns, name)),
    )
    const error = failure(() => bundles[ns].decode(more))
    expect([error.code, error.path]).toEqual(['bundle-malformed', `bundle/prekeys/${name}`])
  })

  test.each(both)('%s: our own ids are 1 to 2³¹ − 1', (ns) => {
    const bundle = example()
    const withIds = (signed: number, oneTime: number): Bundle => ({
      ...bundle,
      signedPreKey: { ...bundle.signedPreKey, id: signed },
      preKeys: [{ id: oneTime, publicKey: key(4) }],
    })
    expect(bundles[ns].decode(bundles[ns].encode(withIds(2 ** 31 - 1, 2 ** 31 - 1)))).toEqual(
      withIds(2 ** 31 - 1, 2 ** 31 - 1),
    )
    for (const id of [0, -1, 1.5, 2 ** 31, Number.NaN]) {
      expect(() => bundles[ns].encode(withIds(id, 1))).toThrow(/^signedPreKey\.id: /)
      expect(() => bundles[ns].encode(withIds(1, id))).toThrow(/^preKeys\[0\]\.id: /)
    }
  })

  test.each(both)('%s: keys and signatures of another length are not written', (ns) => {
    const bundle = example()
    const signed = bundle.signedPreKey
    for (const other of [key(5, 31), key(5, 33)])
      for (const bad of [
        { ...bundle, identityKey: other },
        { ...bundle, signedPreKey: { ...signed, publicKey: other } },
        { ...bundle, preKeys: [{ id: 1, publicKey: other }] },
      ])
        expect(() => bundles[ns].encode(bad)).toThrow(RangeError)
    const bad = { ...bundle, signedPreKey: { ...signed, signature: new Uint8Array(63) } }
    expect(() => bundles[ns].encode(bad)).toThrow(RangeError)
  })

  test('0.3 writes the type byte of keys, which they do not have here', () => {
    const written = bundles[AXOLOTL].encode(example())
    expect(elements(written).map((el) => base64().decode(text(el))?.length)).toEqual([33, 64, 33, 0])
    expect(base64().decode(text(child(written, 'identityKey') ?? written))).toEqual(
      Uint8Array.of(5, ...key(1)),
    )
    expect(bundles[AXOLOTL].decode(written)).toEqual(example())
  })

  // 32 bytes are a key without its type; 05 is the only type there is.
  test.each([
    [33, 5, true],
    [33, 0, false],
    [33, 4, false],
    [33, 133, false],
    [32, 5, false],
    [34, 5, false],
  ])('0.3: a key of %i bytes and type %i is one: %s', (length, type, good) => {
    const written = base64().encode(Uint8Array.of(type, ...key(7, length - 1)))
    const read = (replaced: string) => {
      const xml = serialize(bundles[AXOLOTL].encode(example()))
      const place = new RegExp(`(<${replaced}[^>]*>)[^<]*`)
      return bundles[AXOLOTL].decode(parse(xml.replace(place, `$1${written}`)))
    }
    expect(read('preKeyPublic').preKeys.map(({ id }) => id)).toEqual(good ? [1, 2] : [2])
    if (good) {
      expect(read('identityKey').identityKey).toEqual(key(7))
      expect(read('signedPreKeyPublic').signedPreKey.publicKey).toEqual(key(7))
      return
    }
    for (const name of ['identityKey', 'signedPreKeyPublic']) {
      const error = failure(() => read(name))
      expect([error.code, error.path]).toEqual(['bundle-malformed', `bundle/${name}`])
    }
  })
})
