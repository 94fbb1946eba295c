/** Encrypted IQs (XEP-0420): requests and results in envelopes of omemo:2. */
import { type Element, element, elements } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import type { DecryptedIq, EncryptedIq } from '../src/index.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { nodeCurve as curve } from './node-curve.ts'
import { send } from './sending-support.ts'
import { chat, world } from './world.ts'

const query = element('jabber:iq:version', 'query')
const version = element(
  'jabber:iq:version',
  'query',
  {},
  element('jabber:iq:version', 'name', {}, 'Rosaline'),
)

function iq(to: string, type: string, payload: readonly Element[] = [query]): Element {
  return element('jabber:client', 'iq', { to, type, id: 'v1' }, payload)
}

function encrypted(outcome: EncryptedIq) {
  if (outcome.kind !== 'encrypted') throw new Error(JSON.stringify(outcome))
  return outcome
}

function opened(outcome: DecryptedIq | undefined) {
  if (outcome?.kind !== 'iq') throw new Error(JSON.stringify(outcome))
  return outcome
}

async function pair() {
  const { service, device } = world()
  const juliet = await device('juliet', { curve })
  await device('juliet', { curve })
  const romeo = await device('romeo', { curve })
  const from = (stanza: Element, { jid }: { readonly jid: string }) =>
    element(stanza.ns, stanza.name, { ...stanza.attrs, from: jid }, stanza.children)
  return { service, device, juliet, romeo, from }
}

test('a request and its result, through the service', async () => {
  const { service, juliet, romeo } = await pair()
  const answered: DecryptedIq[] = []
  romeo.client.connection.answer(OMEMO_2, async (request) => {
    const asked = opened(await romeo.omemo.decryptIq(request))
    answered.push(asked)
    const result = iq(request.attrs.from ?? '', 'result', [version])
    return encrypted(await romeo.omemo.encryptIq(result)).iq
  })
  const {
    iq: request,
    reached,
    skipped,
  } = encrypted(await service.finish(juliet.omemo.encryptIq(iq(romeo.client.jid, 'get'))))
  expect(elements(request).map(({ ns, name }) => `{${ns}}${name}`)).toEqual(['{urn:xmpp:omemo:2}encrypted'])
  expect(request.attrs).toEqual({ to: romeo.client.jid, type: 'get', id: 'v1' })
  expect(reached.map(({ device }) => device.jid)).toEqual([romeo.account])
  expect(skipped).toEqual([])
  const reply = await service.finish(juliet.client.connection.request(request))
  const { iq: result, sender, key } = opened(await service.finish(juliet.omemo.decryptIq(reply)))
  expect(elements(result)).toEqual([version])
  expect(sender).toEqual({ jid: romeo.account, id: romeo.omemo.deviceId })
  expect(key).toMatchObject({ fingerprint: romeo.omemo.fingerprint, level: 'blind' })
  expect(answered).toMatchObject([
    { kind: 'iq', sender: { jid: juliet.account, id: juliet.omemo.deviceId }, warnings: [] },
  ])
})

describe('what is not read', () => {
  test('nothing encrypted', async () => {
    const { romeo, from } = await pair()
    expect(await romeo.omemo.decryptIq(from(iq(romeo.client.jid, 'get'), romeo.client))).toBeUndefined()
  })

  test('an element of 0.3, which no IQ can have', async () => {
    const { romeo, juliet, from } = await pair()
    const older = iq(romeo.client.jid, 'get', [element(AXOLOTL, 'encrypted')])
    expect(await romeo.omemo.decryptIq(from(older, juliet.client))).toBeUndefined()
  })

  test('an error, which repeats what it refuses, and a type that there is not', async () => {
    const { service, juliet, romeo, from } = await pair()
    const { iq: request } = encrypted(
      await service.finish(juliet.omemo.encryptIq(iq(romeo.client.jid, 'get'))),
    )
    const { to = '', id = '' } = request.attrs
    for (const type of [{ type: 'error' }, { type: 'x' }, {}]) {
      const refused = { ...request, attrs: { to, id, ...type } }
      expect(await romeo.omemo.decryptIq(from(refused, juliet.client))).toBeUndefined()
      await expect(juliet.omemo.encryptIq(refused)).rejects.toThrow(TypeError)
    }
    opened(await service.finish(romeo.omemo.decryptIq(from(request, juliet.client))))
  })

  test('the same again, and one passed off as from somebody else', async () => {
    const { service, juliet, romeo, from } = await pair()
    const { iq: request } = encrypted(
      await service.finish(juliet.omemo.encryptIq(iq(romeo.client.jid, 'get'))),
    )
    const forged = from(request, { jid: `tybalt@${service.domain}/a` })
    expect((await service.finish(romeo.omemo.decryptIq(forged)))?.kind).toBe('unreadable')
    opened(await service.finish(romeo.omemo.decryptIq(from(request, juliet.client))))
    expect(await service.finish(romeo.omemo.decryptIq(from(request, juliet.client)))).toEqual({
      kind: 'unreadable',
      code: 'message-duplicate',
    })
  })

  test('row 9: the payload of a message to somebody else changes nothing', async () => {
    const { service, device, juliet, romeo, from } = await pair()
    const nurse = await device('nurse', { curve })
    const { iq: request } = encrypted(
      await service.finish(juliet.omemo.encryptIq(iq(romeo.client.jid, 'get'))),
    )
    const before = await nurse.store.list('')
    expect((await nurse.omemo.decryptIq(from(request, juliet.client)))?.kind).toBe('unreadable')
    expect((await nurse.store.list('')).entries).toEqual(before.entries)
  })

  test('an empty message, which is none', async () => {
    const { service, juliet, romeo, from } = await pair()
    await send(service, juliet, chat(romeo.account, 'hi'), [romeo.account])
    for (const received of romeo.arrived()) await service.finish(romeo.omemo.decrypt(received))
    await service.settle()
    const [completion] = juliet.arrived()
    const el = elements(completion?.stanza as Element).find(({ ns }) => ns === OMEMO_2) as Element
    expect(
      await service.finish(juliet.omemo.decryptIq(from(iq(juliet.client.jid, 'set', [el]), romeo.client))),
    ).toMatchObject({ kind: 'unreadable', code: 'message-malformed' })
  })
})

describe('what is not written', () => {
  test('to devices of 0.3', async () => {
    const { service, device, juliet } = await pair()
    const nurse = await device('nurse', { curve, namespaces: [AXOLOTL] })
    expect(await service.finish(juliet.omemo.encryptIq(iq(nurse.client.jid, 'get')))).toMatchObject({
      kind: 'refused',
      code: 'recipients-unreachable',
      skipped: [{ device: nurse.omemo.deviceId, code: 'content-needs-omemo2' }],
    })
  })

  test('nothing', async () => {
    const { juliet, romeo } = await pair()
    expect(await juliet.omemo.encryptIq(iq(romeo.client.jid, 'result', []))).toMatchObject({
      code: 'content-missing',
    })
  })

  test.each([
    ['an error', iq('romeo@capulet.example/a', 'error')],
    ['a message', chat('romeo@capulet.example', 'hi')],
    ['to nobody', element('jabber:client', 'iq', { type: 'get' }, query)],
    ['encrypted already', iq('romeo@capulet.example/a', 'get', [element(OMEMO_2, 'encrypted')])],
  ])('%s', async (_, stanza) => {
    const { juliet } = await pair()
    await expect(juliet.omemo.encryptIq(stanza)).rejects.toThrow(/iq: /)
  })
})
