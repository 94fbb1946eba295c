/**
 * Both sides begin at once (XEP-0384 §4.3, §5.6, §6): what two of the libraries in use end in for good. Every order in which
 * the first messages and what follows from them can arrive must end with each side reading the other's next message.
 */
import { type Element, element, receive } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../src/protocol.ts'
import { bodyOf, chat, type TestDevice, type World, world } from './world.ts'

interface Side {
  readonly device: TestDevice
  readonly read: string[]
}

/** As the server delivers it. */
const from = ({ device }: Side, stanza: Element): Element =>
  element(stanza.ns, stanza.name, { ...stanza.attrs, from: device.client.jid }, stanza.children)

async function write({ service }: World, by: Side, to: Side, words: string): Promise<Element> {
  const { account } = to.device
  const sent = await service.finish(by.device.omemo.encrypt(chat(account, words), [account]))
  if (sent.kind !== 'encrypted') expect.fail(sent.code)
  return from(by, sent.stanzas[0])
}

async function deliver({ service }: World, to: Side, stanza: Element): Promise<void> {
  const received = receive(stanza, { account: to.device.account })
  if (received.kind !== 'message') expect.fail(received.kind)
  const decrypted = await service.finish(to.device.omemo.decrypt(received))
  if (decrypted.kind === 'unreadable') expect.fail(decrypted.code)
  if (decrypted.kind !== 'message') return
  to.read.push(bodyOf(decrypted.content) ?? '')
  await service.finish(to.device.omemo.settle([decrypted.ref]))
}

/** All interleavings of two queues, as which of them is next. */
function interleavings(one: number, other: number): readonly (readonly (0 | 1)[])[] {
  if (one === 0 && other === 0) return [[]]
  return [
    ...(one > 0 ? interleavings(one - 1, other).map((rest) => [0 as const, ...rest]) : []),
    ...(other > 0 ? interleavings(one, other - 1).map((rest) => [1 as const, ...rest]) : []),
  ]
}

async function pair(namespaces: readonly [Namespace, ...Namespace[]], seed: number) {
  const place = world({ seed })
  const sides: readonly [Side, Side] = [
    { device: await place.device('juliet', { namespaces }), read: [] },
    { device: await place.device('romeo', { namespaces }), read: [] },
  ]
  return { place, sides }
}

describe.each([[OMEMO_2], [AXOLOTL]] as const)('%s', (namespace) => {
  test.each(interleavings(2, 2).map((order) => [order.join(''), order] as const))(
    'row 4: two first messages of each side cross, and arrive as %s',
    async (name, order) => {
      const { place, sides } = await pair([namespace], Number.parseInt(name, 2))
      const queues: Element[][] = [[], []]
      // queues[0] is what the second side has written to the first.
      for (const i of [1, 2]) {
        queues[1]?.push(await write(place, sides[0], sides[1], `juliet ${i}`))
        queues[0]?.push(await write(place, sides[1], sides[0], `romeo ${i}`))
      }
      for (const to of order) await deliver(place, sides[to], queues[to]?.shift() as Element)
      // Completions and heartbeats go over the wire, by themselves.
      await place.service.settle()
      for (const side of sides)
        for (const received of side.device.arrived()) await side.device.omemo.decrypt(received)
      expect(sides.map(({ read }) => read)).toEqual([
        ['romeo 1', 'romeo 2'],
        ['juliet 1', 'juliet 2'],
      ])

      // Afterwards nothing is lost either, whoever is first.
      for (let i = 3; i < 9; i++)
        for (const [by, to] of i % 2 === 0
          ? [sides, [sides[1], sides[0]] as const]
          : [[sides[1], sides[0]] as const, sides])
          await deliver(place, to, await write(place, by, to, `${i}`))
      expect(sides.map(({ read }) => read.slice(2))).toEqual([
        ['3', '4', '5', '6', '7', '8'],
        ['3', '4', '5', '6', '7', '8'],
      ])
    },
  )
})

test('row 4: over the wire, with everything at once and both namespaces, eight times', async () => {
  for (let seed = 0; seed < 8; seed++) {
    const place = world({ seed })
    const { service } = place
    const [juliet, romeo] = [await place.device('juliet'), await place.device('romeo')]
    const heard: string[] = []
    for (const { omemo } of [juliet, romeo])
      omemo.listen(
        (arrived) =>
          void heard.push(arrived.kind === 'message' ? (bodyOf(arrived.content) ?? '') : arrived.code),
      )
    const said: string[] = []
    for (let round = 0; round < 4; round++) {
      const words = [`juliet ${round}`, `romeo ${round}`] as const
      said.push(...words)
      await service.finish(
        Promise.all([
          juliet.omemo.send(chat(romeo.account, words[0]), [romeo.account]),
          romeo.omemo.send(chat(juliet.account, words[1]), [juliet.account]),
        ]),
      )
      if (round % 2 === 1) await service.settle()
    }
    await service.settle()
    expect(heard.sort()).toEqual(said.sort())
  }
})
