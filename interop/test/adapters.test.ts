/** The adapters on real servers: streams that break in the middle of requests. */
import { type ConnectionError, type Element, element, equal, ns, stanzaErrorOf } from '@xmpp-e2e/xml'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { presence } from '../src/announce.ts'
import { arrival } from '../src/arrival.ts'
import { connectHost, HOSTS, type Host } from '../src/hosts.ts'
import type { Server } from '../src/server.ts'
import { SERVERS } from '../src/servers.ts'

const client = ns('jabber:client')
const ASK = 'urn:example:ask'
const ask = ns(ASK)

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'resolved',
    (error: ConnectionError) => error.code,
  )

describe.each(SERVERS)('%s', (_server, start) => {
  let server: Server
  beforeAll(async () => {
    // Long enough for a busy machine: nothing here waits for it to pass.
    server = await start({ hibernation: 60 })
  })
  afterAll(() => server.stop())

  describe.each(HOSTS)('%s', (name) => {
    let alice: Host
    let bob: Host
    let questions = 0
    beforeAll(async () => {
      alice = await connectHost(name, server, server.account('alice'))
      bob = await connectHost(name, server, server.account('bob'))
      await bob.connection.send(presence({}))
    })
    afterAll(() => Promise.all([alice.close(), bob.close()]))

    /** Has `alice` ask `bob`, who answers when he is told to. */
    async function asking() {
      questions += 1
      // strophe.js writes again in a new session what was not acknowledged in the old one: that is another question.
      const question = ask('ask', { number: questions })
      let answer = (_text: string): void => undefined
      const asked = new Promise<Element>((resolve) => {
        const stop = bob.connection.answer(ASK, (iq) => {
          if (!equal(iq.children[0] as Element, question)) return undefined
          stop()
          resolve(iq)
          return new Promise((reply) => {
            answer = (text) => reply(client('iq', {}, ask('told', {}, text)))
          })
        })
      })
      const request = alice.connection.request(
        client('iq', { type: 'get', to: bob.connection.jid }, question),
      )
      await asked
      return { request, answer: (text: string) => answer(text) }
    }

    // Except `xmlns=''`: over WebSocket, ejabberd 23.01 leaves that out.
    test('what is sent arrives as it was', async () => {
      const payload = element('urn:a', 'a', { '{urn:p}mark': ' "1" \'<&', 'xml:lang': 'de' }, [
        'one ',
        element('urn:a', 'b'),
        'two\n three',
        element('jabber:client', 'body', {}, 'inside'),
        '😀]]>',
      ])
      const arrived = arrival(bob.connection, ({ attrs }) => attrs.id === 'whole')
      const message = client('message', { to: bob.connection.jid, id: 'whole', type: 'chat' }, payload)
      await alice.connection.send(message)
      const { attrs, children } = await arrived
      expect(children[0]).toEqual(payload)
      expect(attrs.from).toBe(alice.connection.jid)
    })

    test('XEP-0198 §5: a reply that comes while the stream is broken comes with the resumption', async () => {
      const known = alice.states.length
      const { jid } = alice.connection
      const { request, answer } = await asking()
      await alice.drop()
      expect(await codeOf(alice.connection.send(client('message', { to: bob.connection.jid })))).toBe('lost')
      answer('while away')
      await alice.resume()
      expect(alice.states.slice(known)).toEqual(['resumed'])
      expect(alice.connection.jid).toBe(jid)
      expect((await request).children).toEqual([ask('told', {}, 'while away')])
    })

    test('XEP-0198 §5: what is not resumed is new, and requests are lost', async () => {
      const known = alice.states.length
      const { jid } = alice.connection
      const { request, answer } = await asking()
      const code = codeOf(request)
      await alice.drop()
      await alice.reconnect()
      answer('too late')
      expect(await code).toBe('lost')
      expect(alice.states.slice(known).at(-1)).toBe('new')
      expect(alice.states.slice(known)).not.toContain('resumed')
      expect(alice.connection.jid).not.toBe(jid)
      const { request: again, answer: now } = await asking()
      now('in time')
      expect((await again).children).toEqual([ask('told', {}, 'in time')])
    })

    test('RFC 6120 §8.2.3: one reply to each request, and none from the host beside it', async () => {
      const replies: string[] = []
      const stop = alice.connection.subscribe({
        stanza({ name: kind, attrs }) {
          if (kind === 'iq' && attrs.from === bob.connection.jid) replies.push(`${attrs.type} ${attrs.id}`)
        },
      })
      const { request, answer } = await asking()
      answer('once')
      const { attrs } = await request
      // strophe.js refuses, too, but without saying whom: that does not leave the server.
      const refusal = name === 'strophe' ? [] : ['error nobody']
      const refused = arrival(alice.connection, ({ attrs: { id } }) => id === 'nobody')
      await alice.connection.send(
        client('iq', { type: 'get', id: 'nobody', to: bob.connection.jid }, ns('urn:example:other')('ask')),
      )
      if (name !== 'strophe') expect(stanzaErrorOf(await refused).condition).toBe('service-unavailable')
      const { request: last, answer: now } = await asking()
      now('last')
      const { attrs: end } = await last
      stop()
      expect(replies).toEqual([`result ${attrs.id}`, ...refusal, `result ${end.id}`])
    })

    test('RFC 6120 §4.4: a stream that is closed is lost', async () => {
      const { request } = await asking()
      const code = codeOf(request)
      await alice.close()
      expect(await code).toBe('lost')
      expect(alice.states.at(-1)).toBe('lost')
      expect(alice.connection.jid).toBeUndefined()
    })
  })
})
