/** Two tabs or workers of one device: row 21. */
import { blindTrustBeforeVerification } from '@xmpp-e2e/trust'
import type { Element } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import { Omemo } from '../src/index.ts'
import { AXOLOTL, OMEMO_2 } from '../src/protocol.ts'
import { expectNoKeyTwice, say } from './conversation.ts'
import { seen } from './outcomes.ts'
import { chat, world } from './world.ts'

test('row 21: two façades on one store, 1000 interleaved operations: no key twice, nothing lost', async () => {
  const w = world()
  for (const name of ['romeo', 'nurse']) w.service.subscribeBoth(name, 'juliet')
  const juliet = await w.device('juliet', { resource: 'balcony' })
  const romeo = await w.device('romeo', { namespaces: [OMEMO_2] })
  const nurse = await w.device('nurse', { namespaces: [AXOLOTL] })
  const { connection } = juliet.client
  const { clock } = w.service
  const policy = blindTrustBeforeVerification
  const other = await Omemo.open({ account: juliet.account, store: juliet.store, connection, clock, policy })
  const tab = (i: number): Omemo => (i % 2 === 0 ? juliet.omemo : other)
  const sent: Element[] = []
  const read: string[] = []
  const expected: string[] = []
  const heard: string[] = []
  const replies: string[] = []
  for (let operations = 0; operations < 1000; ) {
    const peer = operations % 20 === 0 ? romeo : nurse
    const texts = [0, 1, 2].map(() => `${operations++}`)
    expected.push(...texts)
    const stanzas = await say(w, peer, juliet, ...texts)
    const reading = stanzas.map(async (stanza, i) => {
      const outcome = await tab(i).decrypt(stanza)
      if (outcome.kind === 'unreadable') throw new Error(JSON.stringify(outcome))
      if (outcome.kind !== 'message') return
      read.push(seen(outcome))
      await tab(i + 1).settle([outcome.ref])
    })
    operations += texts.length
    const writing = [0, 1, 2, 3].map(async (i) => {
      const text = `reply ${operations++}`
      replies.push(text)
      const outcome = await tab(i).encrypt(chat(peer.account, text), [peer.account])
      if (outcome.kind !== 'encrypted') throw new Error(JSON.stringify(outcome))
      sent.push(...outcome.stanzas)
      for (const stanza of outcome.stanzas) await connection.send(stanza)
    })
    await w.service.finish(Promise.all([...reading, ...writing]))
    await w.service.settle()
    for (const received of peer.arrived()) {
      const outcome = await w.service.finish(peer.omemo.decrypt(received))
      if (outcome.kind === 'unreadable') throw new Error(JSON.stringify(outcome))
      if (outcome.kind === 'message') heard.push(seen(outcome))
    }
  }
  expect([...read].sort()).toEqual([...expected].sort())
  expect([...heard].sort()).toEqual([...replies].sort())
  expectNoKeyTwice(sent)
  await other.close()
}, 120_000)
