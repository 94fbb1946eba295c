/** Bundles are fetched anew each time, and each that is no good costs only its own device. */
import { createNode, publish } from '@xmpp-e2e/disco/pep'
import { type TestService, testService } from '@xmpp-e2e/testkit'
import { type Element, element, elements, type Node } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { publishedBundle } from '../src/bundle.ts'
import { nobleCurve, run } from '../src/curve.ts'
import { ASK_TIMEOUT_MS } from '../src/device/asking.ts'
import { BUNDLES_PER_REQUEST, fetchBundles, type WantedBundle } from '../src/device/bundle-fetch.ts'
import {
  bundles,
  consumePreKey,
  fingerprint,
  generateIdentity,
  generatePreKeys,
  type Namespace,
  type PreKeys,
  protocols,
} from '../src/primitives.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { deviceAccount } from './device-account.ts'
import { seeded } from './support.ts'

const BOTH = [OMEMO_2, AXOLOTL] as const
const random = seeded('bundles')
const identity = generateIdentity(random)
const preKeys = run(generatePreKeys(3, random))

const elementOf = (namespace: Namespace, keys: PreKeys = preKeys) =>
  bundles[namespace].encode(publishedBundle(protocols[namespace], identity, keys))

async function scene() {
  const service = testService()
  const romeo = service.connect('romeo', { resource: 'phone' })
  const jid = service.account('romeo')
  const juliet = await deviceAccount(service, 'juliet', { curve: nobleCurve })
  const put = async (namespace: Namespace, id: number, payload: Element = elementOf(namespace)) => {
    const { node, item } = bundles[namespace].location(id)
    await publish(romeo.connection, node, { id: item, payload }, { access: 'open', maxItems: 'max' })
  }
  const fetch = (wanted: readonly WantedBundle[], signal?: AbortSignal) =>
    service.finish(fetchBundles(juliet.account, wanted, { signal }))
  const one = (namespace: Namespace, id: number) => ({ device: { jid, id }, namespace })
  return { service, romeo, juliet, jid, put, fetch, one }
}

function sentByJuliet({ transcript }: TestService): readonly Element[] {
  return transcript.flatMap((entry) =>
    entry.kind === 'stanza' && entry.direction === 'sent' && entry.client.startsWith('juliet')
      ? [entry.stanza]
      : [],
  )
}

/** The element with the first descendant of that name replaced. */
function replaced(el: Element, name: string, f: (el: Element) => Element | undefined): Element {
  const children = el.children.flatMap((node): readonly Node[] => {
    if (typeof node === 'string') return [node]
    const next = node.name === name ? f(node) : replaced(node, name, f)
    return next === undefined ? [] : [next]
  })
  return { ...el, children }
}

test.each(BOTH)('%s: what is published is fetched and verified', async (namespace) => {
  const { put, fetch, one } = await scene()
  await put(namespace, 7)
  const [found] = await fetch([one(namespace, 7)])
  expect(found?.bundle && fingerprint(found.bundle.identityKey)).toBe(fingerprint(identity))
  expect(found?.bundle?.preKeys.map(({ id }) => id)).toEqual([1, 2, 3])
})

test.each(BOTH)('row 6, %s: a bundle stripped of its prekeys opens no session', async (namespace) => {
  const { put, fetch, one } = await scene()
  const name = namespace === OMEMO_2 ? 'pk' : 'preKeyPublic'
  await put(
    namespace,
    7,
    replaced(elementOf(namespace), name, () => undefined),
  )
  expect(await fetch([one(namespace, 7)])).toMatchObject([{ code: 'bundle-without-pre-keys' }])
  await put(
    namespace,
    8,
    replaced(elementOf(namespace), 'prekeys', () => undefined),
  )
  expect(await fetch([one(namespace, 8)])).toMatchObject([{ code: 'bundle-without-pre-keys' }])
})

test.each(BOTH)('row 25, %s: a prekey that was used is gone with the next fetch', async (namespace) => {
  const { put, fetch, one, service } = await scene()
  await put(namespace, 7)
  await fetch([one(namespace, 7)])
  await put(namespace, 7, elementOf(namespace, consumePreKey(preKeys, 2)))
  const [found] = await fetch([one(namespace, 7)])
  expect(found?.bundle?.preKeys.map(({ id }) => id)).toEqual([1, 3])
  await fetch([one(namespace, 7)])
  expect(sentByJuliet(service)).toHaveLength(3)
})

describe('row 30: bundles that are no good', () => {
  const key = (namespace: Namespace) => (namespace === OMEMO_2 ? 'ik' : 'identityKey')
  const signature = (namespace: Namespace) => (namespace === OMEMO_2 ? 'spks' : 'signedPreKeySignature')
  const inBase64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes))
  const withText = (text: string) => (el: Element) => ({ ...el, children: [text] })
  // A zero u and the neutral element: the type byte is of 0.3.
  const weak = (namespace: Namespace) =>
    inBase64(
      namespace === OMEMO_2
        ? Uint8Array.of(1, ...new Array(31).fill(0))
        : Uint8Array.of(5, ...new Array(32).fill(0)),
    )
  const spoilt: Readonly<Record<string, (namespace: Namespace) => Element>> = {
    'bundle-malformed': () => element('urn:example', 'odd'),
    'bundle-signature-invalid': (ns) =>
      replaced(elementOf(ns), signature(ns), withText(inBase64(new Uint8Array(64).fill(1)))),
    'key-invalid': (ns) => replaced(elementOf(ns), key(ns), withText(weak(ns))),
  }

  test.each(BOTH)('%s: each has its code, and the others are found', async (namespace) => {
    const { put, fetch, one } = await scene()
    const codes = Object.keys(spoilt)
    for (const [i, code] of codes.entries()) await put(namespace, i + 1, spoilt[code]?.(namespace))
    await put(namespace, 50)
    const wanted = [...codes.map((_, i) => one(namespace, i + 1)), one(namespace, 49), one(namespace, 50)]
    const found = await fetch(wanted)
    expect(found.map((each) => (each.bundle ? 'found' : each.code))).toEqual([
      ...codes,
      'bundle-missing',
      'found',
    ])
    expect(found.map(({ device }) => device.id)).toEqual([1, 2, 3, 49, 50])
  })

  test.each(BOTH)('%s: silence, refusals and closed nodes', async (namespace) => {
    const { put, fetch, one, service, romeo, jid } = await scene()
    await put(namespace, 7)
    for (const fault of [
      { kind: 'drop' },
      { kind: 'error', condition: 'remote-server-not-found' },
    ] as const) {
      const stop = service.fault({ fault, direction: 'sent', client: 'juliet' })
      const start = service.clock.now()
      expect(await fetch([one(namespace, 7)])).toMatchObject([{ code: 'bundle-unavailable' }])
      expect(service.clock.now() - start).toBeLessThanOrEqual(ASK_TIMEOUT_MS)
      stop()
    }
    expect((await fetch([one(namespace, 7)]))[0]?.bundle).toBeDefined()
    const { node } = bundles[AXOLOTL].location(8)
    await createNode(romeo.connection, node, { access: 'whitelist' })
    expect(await fetch([{ device: { jid, id: 8 }, namespace: AXOLOTL }])).toMatchObject([
      { code: 'bundle-unavailable' },
    ])
  })

  test('an answer that is none of PEP', async () => {
    const { put, fetch, one, service } = await scene()
    await put(OMEMO_2, 7)
    service.fault({
      fault: { kind: 'tamper', change: (stanza) => ({ ...stanza, children: [] }) },
      direction: 'received',
      client: 'juliet',
    })
    expect(await fetch([one(OMEMO_2, 7)])).toMatchObject([{ code: 'bundle-malformed' }])
  })
})

describe('several bundles of one account', () => {
  const ids = Array.from({ length: BUNDLES_PER_REQUEST + 1 }, (_, i) => i + 1)
  const items = (stanza: Element) =>
    elements(elements(elements(stanza)[0] as Element)[0] as Element).map(({ attrs }) => attrs.id)

  test(`omemo:2: ${BUNDLES_PER_REQUEST} in one request, in the order of what was wanted`, async () => {
    const { put, fetch, one, service } = await scene()
    for (const id of ids) await put(OMEMO_2, id)
    const found = await fetch([...ids].reverse().map((id) => one(OMEMO_2, id)))
    expect(found.map(({ device, bundle }) => bundle && device.id)).toEqual([...ids].reverse())
    expect(sentByJuliet(service)).toHaveLength(2)
  })

  test('0.3: one request each', async () => {
    const { put, fetch, one, service } = await scene()
    for (const id of ids) await put(AXOLOTL, id)
    const found = await fetch(ids.map((id) => one(AXOLOTL, id)))
    expect(found.every(({ bundle }) => bundle)).toBe(true)
    expect(sentByJuliet(service)).toHaveLength(ids.length)
  })

  test('a service that leaves some out is asked for each of those', async () => {
    const { put, fetch, one, service } = await scene()
    for (const id of [1, 2, 3]) await put(OMEMO_2, id)
    service.fault({
      fault: { kind: 'tamper', change: (stanza) => withoutItem(stanza, '2') },
      direction: 'received',
      client: 'juliet',
      nth: 1,
    })
    const found = await fetch([1, 2, 3, 4].map((id) => one(OMEMO_2, id)))
    expect(found.map((each) => (each.bundle ? 'found' : each.code))).toEqual([
      'found',
      'found',
      'found',
      'bundle-missing',
    ])
    expect(sentByJuliet(service).map((stanza) => items(stanza))).toEqual([['1', '2', '3', '4'], ['2'], ['4']])
  })

  test('a service that refuses to give several is asked for each', async () => {
    const { put, fetch, one, service } = await scene()
    for (const id of [1, 2]) await put(OMEMO_2, id)
    service.fault({
      fault: { kind: 'error', condition: 'bad-request' },
      direction: 'sent',
      client: 'juliet',
      match: (stanza) => items(stanza).length > 1,
    })
    const found = await fetch([1, 2].map((id) => one(OMEMO_2, id)))
    expect(found.every(({ bundle }) => bundle)).toBe(true)
  })

  test('one that cannot be reached is not asked for each', async () => {
    const { fetch, one, service } = await scene()
    service.fault({ fault: { kind: 'drop' }, direction: 'sent', client: 'juliet' })
    expect(await fetch([1, 2, 3].map((id) => one(OMEMO_2, id)))).toMatchObject(
      [1, 2, 3].map(() => ({ code: 'bundle-unavailable' })),
    )
    expect(sentByJuliet(service)).toHaveLength(1)
  })
})

function withoutItem(el: Element, id: string): Element {
  const children = el.children.flatMap((node): readonly Node[] => {
    if (typeof node === 'string') return [node]
    return node.name === 'item' && node.attrs.id === id ? [] : [withoutItem(node, id)]
  })
  return { ...el, children }
}

test('progress, and stopping', async () => {
  const { put, fetch, one, juliet, service } = await scene()
  for (const id of [1, 2]) await put(AXOLOTL, id)
  await fetch([one(AXOLOTL, 1), one(AXOLOTL, 2)])
  expect(juliet.progress).toEqual([
    { kind: 'progress', work: 'bundles', done: 1, total: 2 },
    { kind: 'progress', work: 'bundles', done: 2, total: 2 },
  ])
  const stop = new AbortController()
  service.fault({ fault: { kind: 'drop' }, client: 'juliet' })
  const going = fetch([one(AXOLOTL, 1)], stop.signal)
  stop.abort(new Error('enough'))
  await expect(going).rejects.toThrow('enough')
})
