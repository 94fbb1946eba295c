import { memoryStore } from '@xmpp-e2e/store'
import { child, type Element, element, elements, stanzaErrorOf } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { KEPT_DESCRIPTIONS } from '../src/announcement.ts'
import { claimsOf, verify } from '../src/claim.ts'
import { type DataForm, submission } from '../src/data-form.ts'
import { type Disco, type DiscoOptions, disco } from '../src/disco.ts'
import { sha1, sha256 } from '../src/hash.ts'
import { readInfo } from '../src/info.ts'
import { client, settled, type World, world } from './world.ts'

const INFO = 'http://jabber.org/protocol/disco#info'
const ITEMS = 'http://jabber.org/protocol/disco#items'
const BASE = ['http://jabber.org/protocol/caps', INFO, ITEMS, 'urn:xmpp:caps']

const software: DataForm = { ...submission('urn:xmpp:dataforms:softwareinfo', { os: 'Mac' }), type: 'result' }

const open = (w: World, options: Partial<DiscoOptions> = {}): Disco =>
  disco(w.connection, {
    store: memoryStore(),
    identities: [{ category: 'client', type: 'pc', name: 'Gabber' }],
    node: 'urn:gabber',
    ...options,
  })

async function ask(w: World, ns: string, node?: string, type = 'get', name = 'query'): Promise<Element> {
  const query = element(ns, name, { node })
  w.receive(element('jabber:client', 'iq', { type, id: '1', from: 'romeo@montague.lit/x' }, query))
  await settled()
  return w.sent.at(-1) ?? element('none', 'none')
}

const payload = (iq: Element): Element => elements(iq)[0] ?? iq

describe('XEP-0030 answering', () => {
  test('without node, the identities, features and forms there are', async () => {
    const w = world()
    const d = open(w, { features: ['urn:z', 'urn:z'], forms: [software] })
    d.answer()
    const reply = await ask(w, INFO)
    expect(reply.attrs).toEqual({ type: 'result', id: '1', to: 'romeo@montague.lit/x' })
    expect(readInfo(payload(reply))).toEqual({
      identities: [{ category: 'client', type: 'pc', name: 'Gabber', lang: 'en' }],
      features: [...BASE.slice(0, 3), 'urn:xmpp:caps', 'urn:z'],
      forms: [software],
    })
    expect(payload(await ask(w, ITEMS)).children).toEqual([])
  })

  test.each([
    [INFO, 'other', 'get', 'query', 'item-not-found'],
    [ITEMS, 'other', 'get', 'query', 'item-not-found'],
    [INFO, '', 'get', 'query', 'item-not-found'],
    [INFO, undefined, 'set', 'query', 'feature-not-implemented'],
    [INFO, undefined, 'get', 'other', 'feature-not-implemented'],
  ])('%s, node %s, %s, <%s/>: %s', async (ns, node, type, name, condition) => {
    const w = world()
    open(w).answer()
    expect(stanzaErrorOf(await ask(w, ns, node, type, name)).condition).toBe(condition)
  })

  test('both hashes are answered, verified by them, and for the last descriptions that were announced', async () => {
    const w = world()
    const d = open(w)
    d.answer()
    const announced = []
    for (let i = 0; i < KEPT_DESCRIPTIONS + 1; i++) {
      d.add({ features: [`urn:${i}`] })
      announced.push(claimsOf(d.announce(client('<presence/>'))) ?? [])
    }
    const [oldest = [], ...kept] = announced
    for (const claim of oldest)
      expect(stanzaErrorOf(await ask(w, INFO, claim.node)).condition).toBe('item-not-found')
    for (const claims of kept)
      for (const claim of claims) {
        const query = payload(await ask(w, INFO, claim.node))
        expect(query.attrs.node).toBe(claim.node)
        expect(verify(query, claim, [sha1, sha256], 'de')).toMatchObject({
          kind: 'verified',
          shareable: true,
        })
        expect(payload(await ask(w, ITEMS, claim.node)).attrs.node).toBe(claim.node)
      }
    expect(kept.flat().length).toBe(2 * KEPT_DESCRIPTIONS)
  })

  test('nothing is answered before it is called for, and after it is stopped', async () => {
    const w = world()
    const d = open(w)
    await ask(w, INFO)
    const stop = d.answer()
    stop()
    await ask(w, INFO)
    d.answer()
    d.close()
    await ask(w, INFO)
    expect(w.sent).toEqual([])
    expect(w.listeners()).toBe(0)
  })
})

describe('XEP-0115 §6.1 and XEP-0390 §5.4 announcing', () => {
  const claims = (presence: Element | undefined) =>
    (presence ? (claimsOf(presence) ?? []) : []).map(({ xep }) => xep)

  test('a presence has both `<c/>`, once, and what else it had', () => {
    const d = open(world())
    const given = client("<presence id='1'><show>away</show><c xmlns='urn:xmpp:caps'/></presence>")
    const presence = d.announce(given)
    expect(presence.attrs.id).toBe('1')
    expect(child(presence, 'show')).toBeDefined()
    expect(elements(presence).filter(({ name }) => name === 'c').length).toBe(2)
    expect(claims(presence)).toEqual(['0390', '0115'])
    expect(claimsOf(d.announce(presence))).toEqual(claimsOf(presence))
  })

  test('presence of a type is handed back; anything else is a mistake', () => {
    const d = open(world())
    const subscribe = client("<presence type='subscribe' to='romeo@montague.lit'/>")
    expect(d.announce(subscribe)).toBe(subscribe)
    expect(() => d.announce(client('<message/>'))).toThrow(TypeError)
  })

  test('changes announce the last presence again, once for all of one moment', async () => {
    const w = world()
    const d = open(w)
    d.add({ features: ['urn:before'] })
    await settled()
    expect(w.sent).toEqual([])
    const first = d.announce(client('<presence><status>here</status></presence>'))
    d.announce(client("<presence to='room@chat.lit/me'/>"))
    const remove = d.add({ features: ['urn:a'] })
    d.add({ features: ['urn:b'], forms: [software] })
    await settled()
    expect(w.sent.length).toBe(1)
    const [again] = w.sent
    expect(again?.attrs.to).toBeUndefined()
    expect(again && child(again, 'status')).toBeDefined()
    expect(again && claimsOf(again)).not.toEqual(claimsOf(first))
    remove()
    remove()
    await settled()
    expect(w.sent.length).toBe(2)
    expect(d.features()).toEqual(['urn:b', 'urn:before'])
  })

  test('a presence that the host sends meanwhile is enough', async () => {
    const w = world()
    const d = open(w)
    d.announce(client('<presence/>'))
    d.add({ features: ['urn:a'] })
    d.announce(client('<presence><show>away</show></presence>'))
    await settled()
    expect(w.sent).toEqual([])
  })

  test.each<[string, (w: World, d: Disco) => unknown]>([
    ['an unavailable presence', (_w, d) => d.announce(client("<presence type='unavailable'/>"))],
    ['a new session', (w) => w.session('new')],
    ['closing', (_w, d) => d.close()],
  ])('not after %s', async (_name, end) => {
    const w = world()
    const d = open(w)
    d.announce(client('<presence/>'))
    end(w, d)
    d.add({ features: ['urn:a'] })
    await settled()
    expect(w.sent).toEqual([])
  })

  test('a directed one that is unavailable changes nothing', async () => {
    const w = world()
    const d = open(w)
    d.announce(client('<presence/>'))
    d.announce(client("<presence type='unavailable' to='room@chat.lit/me'/>"))
    d.add({ features: ['urn:a'] })
    await settled()
    expect(w.sent.length).toBe(1)
  })

  test('what could not be sent is sent when the session is resumed', async () => {
    const w = world()
    const d = open(w)
    d.announce(client('<presence/>'))
    w.online = false
    d.add({ features: ['urn:a'] })
    await settled()
    w.session('resumed')
    await settled()
    w.online = true
    w.session('resumed')
    await settled()
    w.session('resumed')
    await settled()
    expect(w.sent.length).toBe(1)
  })

  test('or with the next change', async () => {
    const w = world()
    const d = open(w)
    d.announce(client('<presence/>'))
    w.online = false
    d.add({ features: ['urn:a'] })
    await settled()
    w.online = true
    d.add({ features: ['urn:b'] })
    await settled()
    expect(w.sent.length).toBe(1)
  })

  test.each<[string, Parameters<Disco['add']>[0]]>([
    ['a FORM_TYPE twice', { forms: [software] }],
    ['a form without FORM_TYPE', { forms: [{ type: 'result', fields: [], tabular: false }] }],
    ['a `<`', { features: ['<'] }],
    ['an identity twice', { identities: [{ category: 'client', type: 'pc', name: 'Gabber', lang: 'en' }] }],
  ])('%s is refused and changes nothing', async (_name, added) => {
    const w = world()
    const d = open(w, { forms: [software] })
    const before = d.announce(client('<presence/>'))
    expect(() => d.add(added)).toThrow(RangeError)
    await settled()
    expect(w.sent).toEqual([])
    expect(d.announce(client('<presence/>'))).toEqual(before)
  })

  test('a host that announces itself has the features as data', () => {
    const d = open(world(), { features: ['urn:z'] })
    const remove = d.add({ features: ['urn:a', 'urn:z'] })
    expect(d.features()).toEqual(['urn:a', 'urn:z'])
    remove()
    expect(d.features()).toEqual(['urn:z'])
  })
})
