import { element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { type Bundle, bundles, MAX_PREKEYS } from '../../src/stanza/bundle.ts'
import { AXOLOTL, OMEMO_2 } from '../../src/stanza/namespace.ts'
import { failure } from './formats.ts'

const both = [AXOLOTL, OMEMO_2] as const

function key(ns: string, fill: number): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(ns === AXOLOTL ? 33 : 32).fill(fill)
  if (ns === AXOLOTL) key[0] = 5
  return key
}

function example(ns: string, preKeys = 2): Bundle {
  return {
    identityKey: key(ns, 1),
    signedPreKey: { id: 1, publicKey: key(ns, 2), signature: new Uint8Array(64).fill(3) },
    preKeys: Array.from({ length: preKeys }, (_, i) => ({ id: i + 1, publicKey: key(ns, 4) })),
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
  test.each(both)('%s: at most MAX_PREKEYS, counted before anything is left out', (ns) => {
    const full = bundles[ns].encode(example(ns, MAX_PREKEYS))
    expect(bundles[ns].decode(full).preKeys.length).toBe(MAX_PREKEYS)
    expect(() => bundles[ns].encode(example(ns, MAX_PREKEYS + 1))).toThrow(RangeError)
    expect(() => bundles[ns].encode(example(ns, 0))).toThrow(RangeError)
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
    const bundle = example(ns)
    const withIds = (signed: number, oneTime: number): Bundle => ({
      ...bundle,
      signedPreKey: { ...bundle.signedPreKey, id: signed },
      preKeys: [{ id: oneTime, publicKey: key(ns, 4) }],
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
    const bundle = example(ns)
    const other = key(ns === AXOLOTL ? OMEMO_2 : AXOLOTL, 1)
    const signed = bundle.signedPreKey
    for (const bad of [
      { ...bundle, identityKey: other },
      { ...bundle, signedPreKey: { ...signed, publicKey: other } },
      { ...bundle, signedPreKey: { ...signed, signature: new Uint8Array(63) } },
      { ...bundle, preKeys: [{ id: 1, publicKey: other }] },
    ])
      expect(() => bundles[ns].encode(bad)).toThrow(RangeError)
  })
})
