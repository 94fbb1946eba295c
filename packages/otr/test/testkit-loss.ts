/** Stanzas that get lost, come twice or overtake each other: however it goes, it ends with a session that both have. */
import { child, type Element, text } from '@xmpp-e2e/xml'
import { expect } from 'vitest'
import {
  areTogether,
  compare,
  type Person,
  person,
  say,
  smpResults,
  untilRetried,
  verona,
} from './testkit-scene.ts'

/** Each side begins anew so often by itself; whatever is lost more often, a user has to ask for again. */
const MAX_LOST = 3

const isOtr = (stanza: Element): boolean => {
  const body = stanza.name === 'message' ? child(stanza, 'body') : undefined
  return body !== undefined && text(body).startsWith('?OTR:')
}
const session = ({ otr }: Person) => otr.sessions().find(({ selected }) => selected)?.session
const ssid = (one: Person) => {
  const found = session(one)
  return found?.state === 'encrypted' ? found.ssid : undefined
}

/** One conversation, whose fate is up to the seed; gives how many stanzas were lost. */
export async function lossyConversation(seed: number): Promise<number> {
  const service = verona(seed)
  const otr = { versions: [seed % 2 === 0 ? (3 as const) : (2 as const)] }
  const romeo = await person(service, 'romeo', { otr })
  const juliet = await person(service, 'juliet', { otr })
  let lost = 0
  const drop = service.fault({
    fault: { kind: 'drop' },
    direction: 'sent',
    match: (stanza) => isOtr(stanza) && lost < MAX_LOST && (service.random(1)[0] ?? 0) < 100 && ++lost > 0,
  })
  const others = [
    service.fault({ fault: { kind: 'duplicate' }, direction: 'sent', match: isOtr, probability: 0.3 }),
    service.fault({
      fault: { kind: 'reorder', by: 1 },
      direction: 'received',
      match: isOtr,
      probability: 0.1,
    }),
  ]
  // Every third time both ask at once, so that commits cross as well.
  await romeo.otr.query(juliet.account)
  if (seed % 3 === 0) await juliet.otr.query(romeo.account)
  await untilRetried(service)
  expect([session(romeo)?.state, session(juliet)?.state], `seed ${seed}`).toStrictEqual([
    'encrypted',
    'encrypted',
  ])
  expect(ssid(romeo), `seed ${seed}`).toBe(ssid(juliet))
  expect([...romeo.failures, ...juliet.failures]).toStrictEqual([])

  // Messages: what is lost is lost, and nothing is read twice, or out of a hat.
  lost = 0
  const words = Array.from({ length: 12 }, (_, i) => `${i}`)
  for (const one of words) {
    const [from, to] = Number(one) % 3 === 0 ? [juliet, romeo] : [romeo, juliet]
    await say(from, to, one)
    if (Number(one) % 2 === 0) await service.settle()
  }
  await service.settle()
  const read = [...romeo.read(), ...juliet.read()]
  expect(new Set(read).size, `seed ${seed}`).toBe(read.length)
  expect(read.every((one) => words.includes(one))).toBe(true)

  drop()
  for (const stop of others) stop()
  expect(await areTogether(service, romeo, juliet), `seed ${seed}`).toBe(true)
  if (seed % 10 === 0) {
    await compare(service, romeo, juliet)
    expect(smpResults(romeo)).toStrictEqual(['match'])
  }
  return drop.hits
}
