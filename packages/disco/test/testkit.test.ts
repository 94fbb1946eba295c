/** Façade, PEP and scheme support together, on a service that believes only hashes that are right. */
import { memoryStore } from '@xmpp-e2e/store'
import { ejabberd, modern, prosody, type Quirks, testService } from '@xmpp-e2e/testkit'
import { bare, element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { disco } from '../src/disco.ts'
import { deleteNode, fetchItems, notify, onEvents, type PepEvent, publish, retract } from '../src/pep.ts'
import { schemeSupport } from '../src/schemes.ts'

const NODE = 'urn:xmpp:omemo:2:devices'
const NS = 'urn:xmpp:omemo:2'
const devices = (...ids: number[]) =>
  element(
    NS,
    'devices',
    {},
    ids.map((id) => element(NS, 'device', { id })),
  )

describe.each<[string, Quirks]>([
  ['modern', modern],
  ['prosody', prosody],
  ['ejabberd', ejabberd],
])('%s', (_name, quirks) => {
  async function scene() {
    const service = testService({ quirks })
    service.subscribeBoth('romeo', 'juliet')
    const login = async (name: string) => {
      const { connection, jid } = service.connect(name, { resource: 'phone' })
      const store = memoryStore()
      const client = disco(connection, {
        store,
        identities: [{ category: 'client', type: 'phone', name: 'Gabber' }],
        node: 'https://gabber.example/',
      })
      client.answer()
      await connection.send(client.announce(element('jabber:client', 'presence')))
      await service.settle()
      const support = schemeSupport(connection, { disco: client, store })
      return { client, connection, jid, account: bare(jid), support }
    }
    return { service, romeo: await login('romeo'), juliet: await login('juliet') }
  }

  test('what is announced brings events, and its removal ends them', async () => {
    const { service, romeo, juliet } = await scene()
    const heard: PepEvent[] = []
    onEvents(juliet.connection, [NODE], (event) => heard.push(event))
    const say = async (...ids: number[]) => {
      await publish(
        romeo.connection,
        NODE,
        { id: 'current', payload: devices(...ids) },
        { access: 'presence' },
      )
      await service.settle()
      // Prosody tells some twice.
      return [...new Set(heard.splice(0).map(({ kind, owner }) => `${kind} ${owner}`))]
    }
    expect(await say(1)).toEqual([])
    const remove = juliet.client.add({ features: [notify(NODE)] })
    await service.settle()
    heard.length = 0
    expect(await say(1, 2)).toEqual([`items ${romeo.account}`])
    remove()
    await service.settle()
    // Where the account as a whole is interested, it stays so.
    if (quirks.filtersByResource) expect(await say(1)).toEqual([])
  })

  test('a contact is asked once, as long as its presence has the same hash', async () => {
    const { juliet, romeo, service } = await scene()
    const questions = () =>
      service.transcript.filter(
        (entry) =>
          entry.kind === 'stanza' &&
          entry.client === juliet.jid &&
          entry.direction === 'sent' &&
          entry.stanza.attrs.to === romeo.jid,
      ).length
    expect((await juliet.client.info(romeo.jid)).identities[0]?.name).toBe('Gabber')
    expect((await juliet.client.info(romeo.jid)).features).toContain('urn:xmpp:caps')
    expect(questions()).toBe(1)
  })

  test('schemes follow what is published: yes, then no after a yes', async () => {
    const { romeo, juliet } = await scene()
    const answer = async () => (await juliet.support.of(romeo.jid))['omemo:2']
    const before = await answer()
    expect([before.answer, before.regressed, before.protocol]).toEqual(['no', false, NS])
    const wanted = { access: 'open', persist: true, maxItems: 'max' } as const
    const result = await publish(romeo.connection, NODE, { id: 'current', payload: devices(7) }, wanted)
    expect([result.held.access, result.unmet]).toEqual(['open', []])
    expect(await answer()).toMatchObject({ answer: 'yes', evidence: [{ node: NODE, count: 1 }] })

    await publish(romeo.connection, NODE, { id: 'stray', payload: devices() }, wanted)
    expect((await answer()).answer).toBe('yes')
    await retract(romeo.connection, NODE, 'stray')
    const items = await fetchItems(juliet.connection, NODE, { owner: romeo.account })
    expect(items.map(({ id }) => id)).toEqual(['current'])

    await deleteNode(romeo.connection, NODE)
    expect(await answer()).toMatchObject({ answer: 'no', regressed: true })
  })
})
