/** What is remembered of an account: its record, its bounds, and what each reading and message changes. */
import { memoryStore } from '@xmpp-e2e/store'
import { bare } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  activeDevices,
  type Contact,
  changedDevices,
  decodeContact,
  encodeContact,
  MAX_IDENTITIES,
  MAX_KEPT_LABEL,
  MAX_KNOWN_DEVICES,
  newContact,
  withDevice,
  withIdentity,
  withList,
  withUse,
} from '../src/device/contact.ts'
import { decodeDevice, encodeDevice, newDevice, openDevice } from '../src/device/own-device.ts'
import { decodeUpkeep, encodeUpkeep } from '../src/device/upkeep.ts'
import { OmemoError } from '../src/error.ts'
import { MAX_DEVICE_ID, MAX_DEVICES } from '../src/primitives.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../src/protocol.ts'
import { records } from '../src/record.ts'
import { seeded } from './support.ts'

const jid = bare('romeo@montague.lit')
const key = (n: number) => n.toString(16).padStart(64, '0')
const ids = (from: number, count: number) => Array.from({ length: count }, (_, i) => ({ id: from + i }))

describe('at rest', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  const id = fc.integer({ min: 1, max: 2 ** 32 - 1 })
  const at = fc.integer({ min: 0, max: 4e12 })
  const label = fc.record({
    label: fc.string({ unit: 'grapheme', maxLength: 60 }),
    labelSignature: bytes(64),
  })
  const device = fc.oneof(
    id.map((id) => ({ id })),
    fc.tuple(id, label).map(([id, label]) => ({ id, ...label })),
  )
  const list = fc.record({ devices: fc.array(device, { maxLength: 4 }), at })
  const known = fc.record({
    id,
    identities: fc.array(
      fc.record({
        fingerprint: bytes(32).map((b) => Buffer.from(b).toString('hex')),
        edwards: fc.option(bytes(32), { nil: undefined }),
        at,
        isDowngraded: fc.option(fc.constant(true as const), { nil: undefined }),
      }),
      { maxLength: 3 },
    ),
    healedAt: fc.option(at, { nil: undefined }),
  })
  const contact: fc.Arbitrary<Contact> = fc.record({
    jid: fc.constant(jid),
    lists: fc.record({ [OMEMO_2]: list, [AXOLOTL]: list }, { requiredKeys: [] }),
    devices: fc.array(known, { maxLength: 4 }),
    retryAt: fc.record({ [OMEMO_2]: at, [AXOLOTL]: at }, { requiredKeys: [] }),
    optedOut: fc.option(fc.record({ at, reason: fc.option(fc.string(), { nil: undefined }) }), {
      nil: undefined,
    }),
  })

  test('what is written is read', () => {
    fc.assert(
      fc.property(contact, (contact) => {
        expect(decodeContact(encodeContact(contact))).toEqual(contact)
      }),
    )
  })

  test('what is damaged is an error, or something that can be written', () => {
    fc.assert(
      fc.property(contact, fc.nat(), fc.integer({ min: 1, max: 255 }), (contact, where, flip) => {
        const written = encodeContact(contact)
        const i = where % written.length
        written[i] = (written[i] as number) ^ flip
        try {
          encodeContact(decodeContact(written))
        } catch (error) {
          expect(error).toBeInstanceOf(OmemoError)
          expect(['state-malformed', 'state-version-unknown']).toContain((error as OmemoError).code)
        }
      }),
    )
  })

  const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
  const good = JSON.parse(new TextDecoder().decode(encodeContact(newContact(jid)))) as object
  test.each([
    ['of a later version', { ...good, v: 2 }, 'state-version-unknown'],
    ['without version', { ...good, v: undefined }, 'state-malformed'],
    ['no object', [], 'state-malformed'],
    ['null', null, 'state-malformed'],
    ['lists that are none', { ...good, lists: {} }, 'state-malformed'],
    [
      'a namespace that is none',
      { ...good, lists: [{ ns: '__proto__', at: 0, devices: [] }] },
      'state-malformed',
    ],
    ['id 0', { ...good, lists: [{ ns: OMEMO_2, at: 0, devices: [{ id: 0 }] }] }, 'state-malformed'],
    ['a short key', { ...good, devices: [{ id: 1, identities: [{ key: 'ab', at: 0 }] }] }, 'state-malformed'],
    [
      'a key in upper case',
      { ...good, devices: [{ id: 1, identities: [{ key: 'AB'.repeat(32), at: 0 }] }] },
      'state-malformed',
    ],
    ['a time that is none', { ...good, optedOut: { at: 'soon' } }, 'state-malformed'],
  ])('%s', (_, value, code) => {
    expect(() => decodeContact(text(value))).toThrow(expect.objectContaining({ code }))
  })

  test('the largest there can be fits into a record of a store', () => {
    const devices = (from: number) =>
      ids(from, MAX_DEVICES).map(({ id }) => ({
        id,
        label: '\u{1F4F1}'.repeat(MAX_KEPT_LABEL / 2),
        labelSignature: new Uint8Array(64),
      }))
    let contact = withList(newContact(jid), OMEMO_2, devices(4e9), 1e12)
    contact = withList(contact, AXOLOTL, ids(3e9, MAX_DEVICES), 1e12)
    for (const { id } of ids(2e9, 200).concat(contact.devices))
      for (let n = 0; n < MAX_IDENTITIES; n++)
        contact = withIdentity(
          contact,
          id,
          { fingerprint: key(n), edwards: new Uint8Array(32) },
          1e12,
        ).contact
    expect(contact.devices).toHaveLength(MAX_KNOWN_DEVICES)
    expect(encodeContact(contact).length).toBeLessThan(1_048_576)
  })
})

describe('lists', () => {
  test('devices of both are one each, omemo:2 first; what is known of them comes along', () => {
    let contact = withList(newContact(jid), AXOLOTL, ids(1, 2), 1)
    contact = withList(contact, OMEMO_2, ids(2, 2), 1)
    contact = withIdentity(contact, 1, { fingerprint: key(1) }, 1).contact
    expect(
      activeDevices(contact).map(({ id, namespaces, identities }) => [id, namespaces, identities.length]),
    ).toEqual([
      [2, [OMEMO_2, AXOLOTL], 0],
      [3, [OMEMO_2], 0],
      [1, [AXOLOTL], 1],
    ])
  })

  test('row 27: what is delisted is not active, and not forgotten', () => {
    const before = withList(newContact(jid), OMEMO_2, ids(1, 2), 1)
    const after = withList(before, OMEMO_2, ids(2, 1), 2)
    expect(activeDevices(after).map(({ id }) => id)).toEqual([2])
    expect(after.devices.map(({ id }) => id)).toEqual([1, 2])
    expect(changedDevices(before, after)).toEqual({ added: [], removed: [1] })
  })

  test('nothing changes over both namespaces where a device only changes lists', () => {
    const before = withList(newContact(jid), OMEMO_2, ids(1, 1), 1)
    const after = withList(withList(before, AXOLOTL, ids(1, 1), 2), OMEMO_2, [], 2)
    expect(changedDevices(before, after)).toEqual({ added: [], removed: [] })
  })

  test.each([
    [MAX_KEPT_LABEL, true],
    [MAX_KEPT_LABEL + 1, false],
  ])('a label of %i is kept: %s', (length, isKept) => {
    const device = { id: 1, label: 'x'.repeat(length), labelSignature: new Uint8Array(64) }
    const [found] = withList(newContact(jid), OMEMO_2, [device], 1).lists[OMEMO_2]?.devices ?? []
    expect(found?.label !== undefined).toBe(isKept)
  })

  test(`${MAX_KNOWN_DEVICES} devices, and one more: one that is not listed and had no session goes first`, () => {
    let contact = withList(newContact(jid), OMEMO_2, ids(1, MAX_DEVICES), 1)
    contact = withIdentity(contact, 1, { fingerprint: key(1) }, 1).contact
    contact = withList(contact, OMEMO_2, ids(1001, MAX_DEVICES), 2)
    contact = withList(contact, AXOLOTL, ids(2001, 100), 2)
    expect(contact.devices).toHaveLength(MAX_KNOWN_DEVICES)
    contact = withList(contact, AXOLOTL, ids(2001, 101), 3)
    expect(contact.devices).toHaveLength(MAX_KNOWN_DEVICES)
    expect(contact.devices.map(({ id }) => id).slice(0, 2)).toEqual([1, 3])
    // Then those with one.
    contact = withList(contact, AXOLOTL, ids(3001, MAX_DEVICES), 4)
    contact = withList(contact, OMEMO_2, ids(4001, MAX_DEVICES), 4)
    contact = withList(contact, OMEMO_2, ids(5001, MAX_DEVICES), 5)
    expect(contact.devices).toHaveLength(MAX_KNOWN_DEVICES)
    expect(contact.devices.filter(({ id }) => id > 3000 && id < 4000)).toHaveLength(MAX_DEVICES)
    expect(contact.devices.some(({ id }) => id === 1)).toBe(true)
  })
})

describe('identities', () => {
  const shown = (contact: Contact, n: number, edwards?: Uint8Array<ArrayBuffer>, at = n) =>
    withIdentity(contact, 7, { fingerprint: key(n), edwards }, at)

  test('the same one again is the same contact', () => {
    const { contact } = shown(newContact(jid), 1)
    expect(shown(contact, 1)).toEqual({ contact })
    expect(shown(contact, 1).contact).toBe(contact)
  })

  test('that it speaks omemo:2 is added, and never forgotten', () => {
    const edwards = new Uint8Array(32).fill(3)
    let { contact } = shown(newContact(jid), 1)
    contact = shown(contact, 1, edwards).contact
    contact = shown(contact, 1).contact
    expect(contact.devices[0]?.identities).toEqual([{ fingerprint: key(1), edwards, at: 1 }])
  })

  test('another one comes first, and the one before is named; a known one that comes back names none', () => {
    const first = shown(newContact(jid), 1)
    const second = shown(first.contact, 2)
    const third = shown(second.contact, 1, undefined, 9)
    expect([first.previous, second.previous, third.previous]).toEqual([undefined, key(1), undefined])
    expect(third.contact.devices[0]?.identities).toMatchObject([
      { fingerprint: key(1), at: 1 },
      { fingerprint: key(2), at: 2 },
    ])
  })

  test(`${MAX_IDENTITIES} of one device, and one more: the first one stays`, () => {
    let contact = newContact(jid)
    for (let n = 1; n <= MAX_IDENTITIES; n++) contact = shown(contact, n).contact
    expect(contact.devices[0]?.identities).toHaveLength(MAX_IDENTITIES)
    contact = shown(contact, 9).contact
    expect(contact.devices[0]?.identities.map(({ fingerprint }) => fingerprint)).toEqual(
      [9, 4, 3, 1].map(key),
    )
  })

  test('a downgrade is news once, and again after omemo:2 was used', () => {
    const edwards = new Uint8Array(32).fill(3)
    let { contact } = shown(newContact(jid), 1, edwards)
    const use = (namespace: Namespace) => {
      const used = withUse(contact, 7, key(1), namespace)
      contact = decodeContact(encodeContact(shown(used.contact, 1, edwards).contact))
      return used.isNews
    }
    const told = [OMEMO_2, AXOLOTL, AXOLOTL, OMEMO_2, AXOLOTL, AXOLOTL].map((one) => use(one as Namespace))
    expect(told).toEqual([false, true, false, false, true, false])
  })

  test.each([
    ['of a key that never spoke omemo:2', undefined, key(1), AXOLOTL],
    ['of another key', new Uint8Array(32), key(2), AXOLOTL],
    ['of omemo:2 itself', new Uint8Array(32), key(1), OMEMO_2],
  ] as const)('it is none %s, and the contact stays the same', (_, edwards, used, namespace) => {
    const { contact } = shown(newContact(jid), 1, edwards)
    const after = withUse(contact, 7, used, namespace)
    expect(after.isNews).toBe(false)
    expect(after.contact).toBe(contact)
  })

  test('what else is known of a device stays', () => {
    const healed = withDevice(newContact(jid), { id: 7, identities: [], healedAt: 5 })
    expect(shown(healed, 1).contact.devices[0]?.healedAt).toBe(5)
  })
})

describe('the own device', () => {
  const random = seeded('own')
  const device = newDevice(random, 1_700_000_000_000)
  const clock = { now: () => 1_700_000_000_000, after: () => () => {} }

  test.each([
    device,
    { ...device, label: 'Ph\u00f6ne', announced: true, deviceId: MAX_DEVICE_ID },
    { ...device, deviceId: 1 },
  ])('what is written is read: $label', (device) => {
    expect(decodeDevice(encodeDevice(device))).toEqual(device)
  })

  test('every byte that is missing or too much is told', () => {
    const written = encodeDevice({ ...device, label: 'x' })
    for (let length = 0; length < written.length; length++)
      expect(() => decodeDevice(written.slice(0, length))).toThrow(OmemoError)
    expect(() => decodeDevice(Uint8Array.of(...written, 0))).toThrow('trailing')
    expect(() => decodeDevice(Uint8Array.of(2, ...written.slice(1)))).toThrow(
      expect.objectContaining({ code: 'state-version-unknown' }),
    )
  })

  test('a damaged record is never a new identity', async () => {
    const store = memoryStore()
    await store.commit([], { put: [[records.device, Uint8Array.of(1, 2, 3)]] })
    await expect(openDevice({ store, random, clock }, undefined)).rejects.toMatchObject({
      code: 'state-malformed',
    })
    expect((await store.read([records.device]))[0]?.value).toEqual(Uint8Array.of(1, 2, 3))
  })

  test('opening an empty store ten times at once gives one device', async () => {
    const store = memoryStore()
    const opened = await Promise.all(ids(0, 10).map(() => openDevice({ store, random, clock }, undefined)))
    expect(new Set(opened.map(({ deviceId }) => deviceId)).size).toBe(1)
  })

  test('a label of the options is taken over; none leaves it; a bad one is a mistake', async () => {
    const parts = { store: memoryStore(), random, clock }
    await openDevice(parts, 'Phone')
    expect((await openDevice(parts, undefined)).label).toBe('Phone')
    expect((await openDevice(parts, 'Laptop')).label).toBe('Laptop')
    await expect(openDevice(parts, 'x'.repeat(54))).rejects.toThrow(RangeError)
    expect((await openDevice(parts, undefined)).label).toBe('Laptop')
  })

  test('ids are 1 to 2³¹ − 1, whatever is drawn', () => {
    const filled = (byte: number) => (length: number) =>
      length === 32 ? random(32) : new Uint8Array(length).fill(byte)
    expect(newDevice(filled(0), 0).deviceId).toBe(1)
    expect(newDevice(filled(255), 0).deviceId).toBe(MAX_DEVICE_ID)
  })

  test('the record of its upkeep', () => {
    const upkeep = {
      rotatedAt: 5,
      reannouncedAt: [1, 2],
      reclaimed: [{ namespace: OMEMO_2, at: 3 }],
      retired: [7],
      rolledBackAt: 4,
    } as const
    expect(decodeUpkeep(encodeUpkeep(upkeep))).toEqual(upkeep)
    expect(decodeUpkeep(undefined)).toEqual({ reannouncedAt: [], reclaimed: [], retired: [] })
  })
})
