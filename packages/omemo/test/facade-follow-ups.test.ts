/** Messages that manage sessions: sent from the queue, once for each wish, without end neither between two bots. */
import { firstUse, manual } from '@xmpp-e2e/trust'
import { child, type Element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { AXOLOTL, type Namespace, OMEMO_2, protocols } from '../src/protocol.ts'
import { encryptedFormats } from '../src/stanza/encrypted.ts'
import { nodeCurve as curve } from './node-curve.ts'
import { read, send, usedKeys } from './sending-support.ts'
import { bodyOf, chat, type TestDevice, type World, world } from './world.ts'

const BOTH: readonly Namespace[] = [OMEMO_2, AXOLOTL]

/** The messages that an account's clients have sent. */
function messagesOf({ service }: World, name: string): readonly Element[] {
  return service.transcript.flatMap((entry) =>
    entry.kind === 'stanza' &&
    entry.direction === 'sent' &&
    entry.stanza.name === 'message' &&
    entry.client.startsWith(`${name}@`)
      ? [entry.stanza]
      : [],
  )
}

/** Those that say nothing: one `<encrypted/>` without payload. */
const isEmpty = (stanza: Element): boolean =>
  BOTH.some((ns) => {
    const encrypted = child(stanza, 'encrypted', ns)
    return encrypted !== undefined && child(encrypted, 'payload') === undefined
  })

const emptyOf = (here: World, name: string): readonly Element[] => messagesOf(here, name).filter(isEmpty)

/** Whether all keys in it are key exchanges. */
function isExchange(stanza: Element): boolean {
  return BOTH.every((ns) => {
    const encrypted = child(stanza, 'encrypted', ns)
    const keys = encrypted === undefined ? [] : encryptedFormats[ns].decode(encrypted).keys
    return keys.every(({ data }) => protocols[ns].wire.isKeyExchange(data))
  })
}

describe.each(BOTH)('%s', (namespace) => {
  const only = { curve, namespaces: [namespace] as const }
  const pair = async (options: Parameters<World['device']>[1] = {}) => {
    const here = world()
    const juliet = await here.device('juliet', { ...only, ...options })
    const romeo = await here.device('romeo', only)
    return { here, service: here.service, juliet, romeo }
  }

  test('a key exchange is completed once: from then on messages are none', async () => {
    const { here, service, juliet, romeo } = await pair()
    const first = await send(service, juliet, chat(romeo.account, 'one'), [romeo.account])
    expect(isExchange(first.stanzas[0])).toBe(true)
    await read(service, romeo)
    const [completion, ...more] = emptyOf(here, 'romeo')
    expect(more).toEqual([])
    expect(completion?.attrs).toMatchObject({ to: juliet.account, type: 'chat' })
    expect(completion?.children.map((node) => typeof node === 'object' && node.name)).toEqual([
      'encrypted',
      'store',
    ])
    expect(await read(service, juliet)).toEqual([])
    const second = await send(service, juliet, chat(romeo.account, 'two'), [romeo.account])
    expect(isExchange(second.stanzas[0])).toBe(false)
    expect((await read(service, romeo)).map(({ content }) => bodyOf(content))).toEqual(['two'])
    expect(emptyOf(here, 'romeo')).toHaveLength(1)
    expect(emptyOf(here, 'juliet')).toEqual([])
  })

  test('a heartbeat answers who has come to 53 without an answer, once', async () => {
    const { here, service, juliet, romeo } = await pair()
    for (let n = 0; n < 70; n++) {
      await send(service, juliet, chat(romeo.account, `${n}`), [romeo.account])
      await read(service, romeo)
      // Only what answers to the first message arrives: that of a bot which listens and says nothing.
      if (n === 0) await read(service, juliet)
    }
    // The completion, and one heartbeat, since juliet does not look.
    expect(emptyOf(here, 'romeo')).toHaveLength(2)
    await read(service, juliet)
    await send(service, juliet, chat(romeo.account, 'again'), [romeo.account])
    expect((await read(service, romeo)).map(({ content }) => bodyOf(content))).toEqual(['again'])
    expect(emptyOf(here, 'romeo')).toHaveLength(2)
  })

  test('row 20: what cannot be sent waits, uses one key, and is sent when the connection is back', async () => {
    const { here, service, juliet, romeo } = await pair()
    await send(service, juliet, chat(romeo.account, 'one'), [romeo.account])
    romeo.client.lose()
    expect((await read(service, romeo)).map(({ content }) => bodyOf(content))).toEqual(['one'])
    for (let minute = 0; minute < 30; minute++) {
      await service.advance(60_000)
      await service.finish(romeo.omemo.tick().catch(() => {}))
    }
    expect(emptyOf(here, 'romeo')).toEqual([])
    romeo.client.reconnect()
    romeo.client.presence()
    await service.settle()
    await service.finish(romeo.omemo.start())
    await service.finish(romeo.omemo.tick())
    await service.settle()
    const keys = emptyOf(here, 'romeo').flatMap(usedKeys)
    expect(new Set(keys).size).toBe(1)
    await read(service, juliet)
    const second = await send(service, juliet, chat(romeo.account, 'two'), [romeo.account])
    expect(isExchange(second.stanzas[0])).toBe(false)
  })

  test('two bots that say nothing stop: 1000 minutes later nothing more was sent', async () => {
    const { here, service, juliet, romeo } = await pair()
    const listen = (bot: TestDevice) =>
      bot.client.connection.subscribe({
        stanza: () => {
          for (const received of bot.arrived()) void bot.omemo.decrypt(received)
        },
      })
    listen(juliet)
    listen(romeo)
    await send(service, juliet, chat(romeo.account, 'one'), [romeo.account])
    await send(service, romeo, chat(juliet.account, 'crossing'), [juliet.account])
    await service.finish(juliet.omemo.replaceSession({ jid: romeo.account, id: romeo.omemo.deviceId }))
    await service.finish(romeo.omemo.replaceSession({ jid: juliet.account, id: juliet.omemo.deviceId }))
    for (let hour = 0; hour < 17; hour++) {
      await service.advance(3_600_000)
      await service.finish(Promise.all([juliet.omemo.tick(), romeo.omemo.tick()]))
      await service.settle()
    }
    expect(messagesOf(here, 'juliet').length + messagesOf(here, 'romeo').length).toBeLessThanOrEqual(10)
  })

  test('row 12: a message without a session is answered with a new one, once, to who is trusted', async () => {
    const { here, service, juliet, romeo } = await pair()
    await send(service, juliet, chat(romeo.account, 'one'), [romeo.account])
    await read(service, romeo)
    await read(service, juliet)
    await forget(romeo)
    for (let n = 0; n < 5; n++) await send(service, juliet, chat(romeo.account, `lost ${n}`), [romeo.account])
    const [first, ...later] = romeo.arrived()
    if (first === undefined) throw new Error('nothing arrived')
    expect(await service.finish(romeo.omemo.decrypt(first))).toMatchObject({
      kind: 'unreadable',
      code: 'session-missing',
    })
    // By then there may be the new session, which they do not belong to.
    for (const received of later)
      expect((await service.finish(romeo.omemo.decrypt(received))).kind).toBe('unreadable')
    await service.settle()
    const exchanges = emptyOf(here, 'romeo').filter(isExchange)
    expect(exchanges).toHaveLength(1)
    await read(service, juliet)
    await send(service, juliet, chat(romeo.account, 'found'), [romeo.account])
    expect((await read(service, romeo)).map(({ content }) => bodyOf(content))).toEqual(['found'])
  })
})

/** As if a backup of keys without sessions had been restored. */
async function forget({ store }: TestDevice): Promise<void> {
  const { entries } = await store.list('')
  const keys = entries.map(([key]) => key).filter((key) => /\/(?:session|archived)\//.test(key))
  expect(keys.length).toBeGreaterThan(0)
  await store.commit([], { delete: keys })
}

describe('healing', () => {
  const only = { curve, namespaces: [OMEMO_2] as const }

  test('opens nothing to a key that the policy does not send to', async () => {
    const here = world()
    const { service } = here
    const juliet = await here.device('juliet', only)
    const romeo = await here.device('romeo', { ...only, policy: manual })
    await send(service, juliet, chat(romeo.account, 'one'), [romeo.account])
    await read(service, romeo)
    await forget(romeo)
    await send(service, juliet, chat(romeo.account, 'two'), [romeo.account])
    for (const received of romeo.arrived()) await service.finish(romeo.omemo.decrypt(received))
    await service.finish(romeo.omemo.tick())
    expect(emptyOf(here, 'romeo').filter(isExchange)).toEqual([])
  })

  test('waits while the bundle cannot be read', async () => {
    const here = world()
    const { service } = here
    const juliet = await here.device('juliet', only)
    const romeo = await here.device('romeo', { ...only, policy: firstUse })
    await send(service, juliet, chat(romeo.account, 'one'), [romeo.account])
    await read(service, romeo)
    await read(service, juliet)
    await forget(romeo)
    const stop = service.fault({
      fault: { kind: 'error', condition: 'remote-server-timeout' },
      client: romeo.client.jid,
      match: (stanza) => JSON.stringify(stanza).includes('urn:xmpp:omemo:2:bundles'),
    })
    await send(service, juliet, chat(romeo.account, 'two'), [romeo.account])
    for (const received of romeo.arrived()) await service.finish(romeo.omemo.decrypt(received))
    await service.settle()
    expect(stop.hits).toBeGreaterThan(0)
    expect(emptyOf(here, 'romeo').filter(isExchange)).toEqual([])
    stop()
    await service.advance(120_000)
    await service.finish(romeo.omemo.tick())
    await service.settle()
    expect(emptyOf(here, 'romeo').filter(isExchange)).toHaveLength(1)
  })
})

describe('replacing a session', () => {
  const only = { curve, namespaces: [OMEMO_2] as const }

  test('leaves the one that there is when the network fails', async () => {
    const here = world()
    const { service } = here
    const [juliet, romeo] = [await here.device('juliet', only), await here.device('romeo', only)]
    await send(service, juliet, chat(romeo.account, 'one'), [romeo.account])
    await read(service, romeo)
    const stop = service.fault({
      fault: { kind: 'error', condition: 'service-unavailable' },
      client: juliet.client.jid,
      match: ({ name, attrs }) => name === 'iq' && attrs.type === 'get',
    })
    const device = { jid: romeo.account, id: romeo.omemo.deviceId }
    expect(await service.finish(juliet.omemo.replaceSession(device))).toMatchObject({
      kind: 'refused',
      code: 'recipients-unreachable',
      skipped: [{ owner: romeo.account, device: device.id, code: 'bundle-unavailable' }],
    })
    stop()
    await send(service, juliet, chat(romeo.account, 'two'), [romeo.account])
    expect((await read(service, romeo)).map(({ content }) => bodyOf(content))).toEqual(['two'])
  })

  test('tells the device, and mends what was broken', async () => {
    const here = world()
    const { service } = here
    const [juliet, romeo] = [await here.device('juliet', only), await here.device('romeo', only)]
    await send(service, juliet, chat(romeo.account, 'one'), [romeo.account])
    await read(service, romeo)
    await read(service, juliet)
    await forget(romeo)
    const device = { jid: romeo.account, id: romeo.omemo.deviceId }
    expect(await service.finish(juliet.omemo.replaceSession(device))).toEqual({
      kind: 'replaced',
      protocol: OMEMO_2,
    })
    await service.settle()
    await read(service, romeo)
    await send(service, romeo, chat(juliet.account, 'two'), [juliet.account])
    expect((await read(service, juliet)).map(({ content }) => bodyOf(content))).toEqual(['two'])
  })

  test('is not for this device, nor for one that nobody knows', async () => {
    const here = world()
    const { service } = here
    const juliet = await here.device('juliet', only)
    const own = { jid: juliet.account, id: juliet.omemo.deviceId }
    await expect(juliet.omemo.replaceSession(own)).rejects.toThrow(RangeError)
    const nobody = { jid: service.account('romeo'), id: 7 }
    expect(await service.finish(juliet.omemo.replaceSession(nobody))).toMatchObject({
      kind: 'refused',
      code: 'recipients-unreachable',
    })
  })
})
