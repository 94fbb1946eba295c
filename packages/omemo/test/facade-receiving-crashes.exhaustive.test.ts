import { memoryStore, type Store } from '@xmpp-e2e/store'
import { atEveryCrash, type CrashMode } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification } from '@xmpp-e2e/trust'
import { type Element, type Received, receive } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { Omemo } from '../src/index.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../src/protocol.ts'
import { encryptedFormats } from '../src/stanza/encrypted.ts'
import { encryptedElements } from '../src/stanza/message.ts'
import { expectNoKeyTwice, say } from './conversation.ts'
import { seen } from './outcomes.ts'
import { chat, type TestDevice, world } from './world.ts'

async function copyOf(store: Store): Promise<Store> {
  const copy = memoryStore()
  await copy.commit([], { put: (await store.list('')).entries })
  return copy
}

async function scene(namespace: Namespace) {
  const w = world()
  w.service.subscribeBoth('romeo', 'juliet')
  const namespaces = [namespace] as const
  const juliet = await w.device('juliet', { resource: 'balcony', namespaces })
  const romeo = await w.device('romeo', { resource: 'orchard', namespaces })
  return { w, juliet, romeo }
}

describe.each([OMEMO_2, AXOLOTL] as const)('%s', (namespace) => {
  test('two façades talk', async () => {
    const { w, juliet, romeo } = await scene(namespace)
    const [hello] = await say(w, romeo, juliet, 'hello')
    expect(seen(await juliet.omemo.decrypt(hello as Received))).toBe('hello')
    await w.service.settle()
    const [completion, answer] = await say(w, juliet, romeo, 'answer')
    expect(seen(await romeo.omemo.decrypt(completion as Received))).toBe('(control)')
    expect(seen(await romeo.omemo.decrypt(answer as Received))).toBe('answer')
  })

  describe.each(['silent', 'rejecting'] as const)('a crash that is %s', (mode: CrashMode) => {
    test('row 22: at every call of decrypt and settle: nothing is lost, and no key is used twice', async () => {
      const { w, juliet, romeo } = await scene(namespace)
      const stanzas = await say(w, romeo, juliet, 'one', 'two', 'three')
      await Promise.all([juliet.omemo.close(), romeo.omemo.close()])
      const [hers, his] = [juliet.store, romeo.store]
      const counted = await atEveryCrash(async (crash) => {
        const store = await copyOf(hers)
        const sent: Element[] = []
        const open = async (as: TestDevice, on: Store, through = as.client.connection) => {
          const { clock } = w.service
          const random = (length: number) => w.service.random(length)
          const policy = blindTrustBeforeVerification
          const options = { account: as.account, store: on, connection: through, policy, clock, random }
          return Omemo.open({ ...options, namespaces: [namespace] })
        }
        const recording = {
          ...juliet.client.connection,
          jid: juliet.client.jid,
          send: async (stanza: Element) => {
            sent.push(stanza)
          },
        }
        const saved: string[] = []
        await crash
          .run(async () => {
            const first = await open(juliet, crash.wrap(store), crash.wrap(recording))
            for (const stanza of stanzas) {
              const outcome = await first.decrypt(stanza)
              if (outcome.kind !== 'message') throw new Error(seen(outcome))
              if (stanza === stanzas[2]) continue
              saved.push(seen(outcome))
              await first.settle([outcome.ref])
            }
            await first.tick()
          })
          .catch((error: unknown) => {
            if (!crash.crashed) throw error
          })

        const second = await open(juliet, store, recording)
        const waiting = (await second.unsettled()).map(seen)
        for (const [i, text] of ['one', 'two', 'three'].entries()) {
          const outcome = await second.decrypt(stanzas[i] as Received)
          // Either it is given again, or it was saved; where settling was not heard of, it may be both.
          if (outcome.kind === 'silent')
            expect([outcome.why, saved]).toEqual(['duplicate', expect.arrayContaining([text])])
          else expect(seen(outcome)).toBe(text)
          if (waiting.includes(text)) expect(outcome.kind).toBe('message')
        }
        await w.service.advance(3_600_000)
        await w.service.finish(second.tick())
        const answer = await w.service.finish(second.encrypt(chat(romeo.account, 'answer'), [romeo.account]))
        if (answer.kind !== 'encrypted') throw new Error(JSON.stringify(answer))
        sent.push(...answer.stanzas)
        expectNoKeyTwice(sent)

        const reader = await open(romeo, await copyOf(his))
        const read: string[] = []
        for (const stanza of sent) {
          const from = { ...stanza, attrs: { ...stanza.attrs, from: juliet.client.jid } }
          const received = receive(from, { account: romeo.account })
          if (received.kind === 'message') read.push(seen(await reader.decrypt(received)))
        }
        expect(read.filter((what) => what !== '(control)' && what !== '(duplicate)')).toEqual(['answer'])
        const next = await w.service.finish(reader.encrypt(chat(juliet.account, 'next'), [juliet.account]))
        if (next.kind !== 'encrypted') throw new Error(JSON.stringify(next))
        const back = { ...next.stanzas[0], attrs: { ...next.stanzas[0].attrs, from: romeo.client.jid } }
        const received = receive(back, { account: juliet.account })
        if (received.kind !== 'message') throw new Error('not received')
        expect(seen(await second.decrypt(received))).toBe('next')
        await Promise.all([second.close(), reader.close()])
      }, mode)
      expect(counted).toBeGreaterThan(20)
    })
  })

  test('row 22: killed between decrypt and settle, the same message again', async () => {
    const { w, juliet, romeo } = await scene(namespace)
    const [hello] = await say(w, romeo, juliet, 'hello')
    const before = await juliet.omemo.decrypt(hello as Received)
    const again = await w.device('juliet', {
      resource: 'balcony',
      store: juliet.store,
      namespaces: [namespace],
    })
    expect(await again.omemo.decrypt(hello as Received)).toEqual(before)
    expect(await again.omemo.unsettled()).toEqual([before])
  })

  test('two tabs on one connection: both show it, and it is settled once for both', async () => {
    const { w, juliet, romeo } = await scene(namespace)
    const connection = juliet.client.connection
    const options = { account: juliet.account, store: juliet.store, connection, clock: w.service.clock }
    const other = await Omemo.open({
      ...options,
      policy: blindTrustBeforeVerification,
      namespaces: [namespace],
    })
    const stanzas = await say(w, romeo, juliet, 'one', 'two', 'three')
    for (const stanza of stanzas) {
      const [here, there] = await w.service.finish(
        Promise.all([juliet.omemo.decrypt(stanza), other.decrypt(stanza)]),
      )
      expect(here.kind).toBe('message')
      expect(there).toEqual(here)
      if (here.kind === 'message')
        await Promise.all([juliet.omemo.settle([here.ref]), other.settle([here.ref])])
      expect(seen(await other.decrypt(stanza))).toBe('(duplicate)')
    }
    await other.close()
  })

  test('row 20: with no network everything is read, and what is to be sent goes out when it is back', async () => {
    const { w, juliet, romeo } = await scene(namespace)
    const stanzas = await say(w, romeo, juliet, ...Array.from({ length: 60 }, (_, i) => `${i}`))
    juliet.client.lose()
    await w.service.settle()
    for (const [i, stanza] of stanzas.entries()) expect(seen(await juliet.omemo.decrypt(stanza))).toBe(`${i}`)
    await w.service.advance(60_000)
    await w.service.finish(juliet.omemo.tick())
    expect(romeo.arrived()).toEqual([])
    juliet.client.reconnect()
    juliet.client.presence({ features: [] })
    await w.service.settle()
    await w.service.advance(60_000)
    const heard = romeo.arrived()
    expect(heard.length).toBeGreaterThan(0)
    for (const received of heard) expect(seen(await romeo.omemo.decrypt(received))).toBe('(control)')
    const { nextDue } = await w.service.finish(juliet.omemo.tick())
    expect(nextDue === undefined || +nextDue > w.service.clock.now() + 3_600_000).toBe(true)
    // The session is confirmed: what romeo says next is no key exchange.
    const [next] = await say(w, romeo, juliet, 'next')
    const [encrypted] = encryptedElements((next as Received).stanza)
    const keys = encryptedFormats[namespace].decode(encrypted?.element as Element).keys
    expect(keys.some(({ keyExchange }) => keyExchange)).toBe(false)
    expect(seen(await juliet.omemo.decrypt(next as Received))).toBe('next')
  })
})
