import { element, elements } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { AXOLOTL, OMEMO_2 } from '../../src/protocol.ts'
import { deviceLists, MAX_DEVICES } from '../../src/stanza/device-list.ts'
import { currentItem } from '../../src/stanza/item.ts'
import { failure } from '../support.ts'

const both = [AXOLOTL, OMEMO_2] as const

describe('XEP-0384 §5.3.1 and 0.3.0 §4.3: device lists', () => {
  test('where they are', () => {
    expect(deviceLists[AXOLOTL].node).toBe('eu.siacs.conversations.axolotl.devicelist')
    expect(deviceLists[OMEMO_2].node).toBe('urn:xmpp:omemo:2:devices')
    for (const ns of both) expect(deviceLists[ns].publishOptions).toEqual({ 'pubsub#access_model': 'open' })
  })

  test.each(both)('%s: at most MAX_DEVICES, counted before anything is left out', (ns) => {
    const list = (length: number, id: (i: number) => number) =>
      Array.from({ length }, (_, i) => ({ id: id(i) }))
    const full = deviceLists[ns].encode(list(MAX_DEVICES, (i) => i + 1))
    expect(deviceLists[ns].decode(full).length).toBe(MAX_DEVICES)
    expect(() => deviceLists[ns].encode(list(MAX_DEVICES + 1, (i) => i + 1))).toThrow(RangeError)
    const more = element(ns, full.name, {}, full.children, element(ns, 'device', { id: 1 }))
    const error = failure(() => deviceLists[ns].decode(more))
    expect([error.code, error.path]).toEqual(['device-list-malformed', `${full.name}/device`])
  })

  test.each(both)('%s: writes ids from 1 to 2³² − 1, since other devices have them', (ns) => {
    for (const id of [1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1])
      expect(deviceLists[ns].decode(deviceLists[ns].encode([{ id }]))).toEqual([{ id }])
    for (const id of [0, -1, 1.5, 2 ** 32, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => deviceLists[ns].encode([{ id }])).toThrow(RangeError)
  })

  test('a label is written with its signature or not at all', () => {
    const labelSignature = new Uint8Array(64)
    expect(() => deviceLists[OMEMO_2].encode([{ id: 1, label: 'x' }])).toThrow(TypeError)
    expect(() => deviceLists[OMEMO_2].encode([{ id: 1, labelSignature }])).toThrow(TypeError)
    for (const length of [63, 65])
      expect(() =>
        deviceLists[OMEMO_2].encode([{ id: 1, label: 'x', labelSignature: new Uint8Array(length) }]),
      ).toThrow(RangeError)
    const [device] = elements(deviceLists[AXOLOTL].encode([{ id: 1, label: 'x', labelSignature }]))
    expect({ ...device?.attrs }).toEqual({ id: '1' })
  })

  test('a label is repeated as it was, however odd', () => {
    const labelSignature = new Uint8Array(64).fill(3)
    const devices = [{ id: 1, label: ` \t\n"<&'>\u202e${'x'.repeat(200)}`, labelSignature }]
    expect(deviceLists[OMEMO_2].decode(deviceLists[OMEMO_2].encode(devices))).toEqual(devices)
  })
})

describe('XEP-0060 §12.20: items of a node that should have one', () => {
  test.each([
    [[], undefined],
    [['current'], 0],
    [['1'], 0],
    [['1', '2', '3'], 2],
    [['1', 'current', '3'], 1],
    [['current', 'current', '3'], 1],
  ] as const)('%j: %s', (ids, index) => {
    const items = ids.map((id) => ({ id }))
    expect(currentItem(items)).toBe(index === undefined ? undefined : items[index])
  })
})
