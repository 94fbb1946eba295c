/// <reference lib="dom" />
import { Strophe } from 'strophe.js'
import { afterEach, describe, expect, test } from 'vitest'
import { fromDom } from '../src/dom.ts'
import { element, ns } from '../src/element.ts'
import { StanzaError } from '../src/stanza-error.ts'
import { connection } from '../src/strophe.ts'
import { type ScriptedServer, startServer } from './hosts/server.ts'
import { guardOptions, hostSuite, type MakeClient } from './hosts/suite.ts'

const make: MakeClient = (url, options) => {
  const strophe = new Strophe.Connection(url, { enableStreamManagement: true })
  const connect = () => strophe.connect('me@example.org', 'secret')
  return {
    connection: connection(strophe, { ...options, document: globalThis.document }),
    connect,
    reconnect() {
      // As hosts do: after the loss has been told.
      const wait = () => {
        if (strophe.connected) setTimeout(wait, 0)
        else connect()
      }
      wait()
    },
    stop: () => strophe.disconnect('stop'),
    hasNoticed: () => !strophe.connected,
    closeSocket: () => (strophe._proto as unknown as { socket: WebSocket }).socket.close(),
  }
}

Strophe.setLogLevel(Strophe.LogLevel.FATAL)

describe('WebSocket', () => hostSuite(make))

describe('with other handlers of the host', () => {
  const client = ns('jabber:client')
  const ASK = 'urn:example:ask'
  const ask = (id: string) => client('iq', { type: 'get', id, from: 'x@example.org/x' }, element(ASK, 'ask'))
  let server: ScriptedServer
  let strophe: InstanceType<typeof Strophe.Connection>
  afterEach(async () => {
    strophe.disconnect('done')
    await server.stop()
  })
  const start = async () => {
    server = await startServer()
    strophe = new Strophe.Connection(server.url, { enableStreamManagement: true })
    const made = connection(strophe, { ...guardOptions().options, document: globalThis.document })
    strophe.connect('me@example.org', 'secret')
    return { made, stream: await server.session() }
  }

  test('a request in a namespace that the host handles has one reply, the one of the host', async () => {
    const { made, stream } = await start()
    strophe.addHandler(
      (el: globalThis.Element) => {
        strophe.send(new Strophe.Builder('iq', { type: 'result', id: `host ${el.getAttribute('id')}` }))
        return true
      },
      ASK,
      'iq',
      'get',
    )
    let asked = 0
    made.answer(ASK, async () => {
      asked += 1
      return client('iq')
    })
    stream.send(ask('1'))
    expect((await stream.next()).attrs.id).toBe('host 1')
    expect(asked).toBe(0)
  })

  test('a request that matches a handler of the host in its depth has one reply, too', async () => {
    const { made, stream } = await start()
    strophe.addHandler(
      (el: globalThis.Element) => {
        strophe.send(new Strophe.Builder('iq', { type: 'result', id: `host ${el.getAttribute('id')}` }))
        return true
      },
      'urn:example:inner',
      'iq',
      'get',
    )
    made.answer(ASK, async () => client('iq'))
    const crafted = element(ASK, 'ask', {}, element('urn:example:inner', 'ask'))
    stream.send(client('iq', { type: 'get', id: '1', from: 'x@example.org/x' }, crafted))
    stream.send(ask('2'))
    expect((await stream.next()).attrs.id).toBe('host 1')
    expect((await stream.next()).attrs.id).toBe('2')
  })

  test('what strophe.js throws when it sends is the cause', async () => {
    const { made } = await start()
    while (made.jid === undefined) await new Promise(setImmediate)
    const { send } = strophe
    const cause = new Error('broken')
    strophe.send = () => {
      throw cause
    }
    await expect(made.send(client('presence'))).rejects.toMatchObject({ code: 'lost', cause })
    strophe.send = send
  })

  test('handlers that log everything change nothing', async () => {
    const { made, stream } = await start()
    strophe.addHandler(() => true, null, null, null)
    made.answer(ASK, (iq) => Promise.reject(new StanzaError(iq, 'cancel', 'gone')))
    stream.send(ask('1'))
    expect((await stream.next()).attrs).toMatchObject({ id: '1', type: 'error' })
  })

  test('a paused connection rejects, and sends nothing when it goes on', async () => {
    const { made, stream } = await start()
    while (made.jid === undefined) await new Promise(setImmediate)
    strophe.pause()
    await expect(made.send(client('message', { id: 'paused' }))).rejects.toMatchObject({ code: 'lost' })
    expect(strophe.sm?.state.unacked).toEqual([])
    strophe.resume()
    await made.send(client('message', { id: 'on' }))
    expect((await stream.next()).attrs.id).toBe('on')
  })
})

test('options are checked before anything of the host is changed', () => {
  const strophe = new Strophe.Connection('ws://127.0.0.1:1/')
  const [handlers, { _changeConnectStatus }] = [strophe.addHandlers.length, strophe]
  const { options } = guardOptions()
  const { document } = globalThis
  const wrong: [object | undefined, string][] = [
    [undefined, 'connection: expected `random`'],
    [{ ...options, clock: undefined, document }, 'connection: expected `clock.after`'],
    [options, 'connection: expected `document`'],
  ]
  for (const [given, message] of wrong)
    expect(() => connection(strophe, given as typeof options & { document: Document })).toThrow(
      new TypeError(message),
    )
  expect([strophe.addHandlers.length, strophe._changeConnectStatus]).toEqual([handlers, _changeConnectStatus])
})

test('the features of the stream, as HOSTS.md reads them', async () => {
  const server = await startServer()
  const strophe = new Strophe.Connection(server.url, { enableStreamManagement: true })
  strophe.connect('me@example.org', 'secret')
  await server.session()
  const features = strophe.features && fromDom(strophe.features)
  expect(`${features?.name} ${features?.ns}`).toBe('features http://etherx.jabber.org/streams')
  expect(features?.children).toContainEqual(element('urn:xmpp:sm:3', 'sm'))
  strophe.disconnect('done')
  await server.stop()
})
