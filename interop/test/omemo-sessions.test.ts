import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Correspondent, each, freshPair, isKeyExchange, type Pair } from '../src/correspondent.ts'
import { AXOLOTL, OMEMO_2, PythonOmemo } from '../src/python-omemo.ts'

/** Fresh sessions per namespace and initiator; half of them with each sign bit of the peer's identity key. */
const SESSIONS = 200

/** Every order of three messages. */
const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const
type Order = (typeof ORDERS)[number]

/** Two, so that this process is not the only one at work. */
let pythons: readonly PythonOmemo[]
beforeAll(async () => {
  pythons = await Promise.all([PythonOmemo.start(), PythonOmemo.start()])
})
afterAll(() => Promise.all(pythons.map((python) => python.stop())))

/** Counts what was seen; a message that is not read as it was written throws. */
class Tally {
  sessions = 0
  signs: [number, number] = [0, 0]
  delivered = 0
  empty = 0
  lost = 0
  late = 0
  duplicates = 0

  async deliver(to: Correspondent, xml: string, body: string): Promise<void> {
    expect(await to.read(xml), `${to.name} reads ${body}`).toEqual({ body })
    this.delivered += 1
  }

  async deliverEmpty(to: Correspondent, xml: string): Promise<void> {
    expect(await to.read(xml), `${to.name} reads an empty message`).toEqual({ empty: true })
    this.empty += 1
  }

  async repeat(to: Correspondent, xml: string): Promise<void> {
    expect(await to.read(xml), `${to.name} reads a duplicate`).toEqual(to.duplicate)
    this.duplicates += 1
  }
}

interface Sent {
  readonly body: string
  readonly xml: string
}

async function sendAll(from: Correspondent, bodies: readonly string[]): Promise<readonly Sent[]> {
  const sent: Sent[] = []
  for (const body of bodies) sent.push({ body, xml: await from.send(body) })
  return sent
}

/** Four key exchanges of one session: one is lost, the others come in any order, the last of them after the answer. */
async function open(
  a: Correspondent,
  b: Correspondent,
  order: Order,
  tally: Tally,
): Promise<readonly Sent[]> {
  const first = await sendAll(a, ['first 0', 'first 1', 'first 2', 'lost'])
  for (const { xml } of first) expect(isKeyExchange(xml)).toBe(true)
  tally.lost += 1
  const [one, two, three] = order.map((index) => first[index]!)
  await tally.deliver(b, one!.xml, one!.body)
  await tally.deliver(b, two!.xml, two!.body)
  const answers = await b.answers()
  expect(answers.length).toBeGreaterThan(0)
  expect(answers.some(isKeyExchange)).toBe(false)
  for (const xml of answers) await tally.deliverEmpty(a, xml)
  const [next] = await sendAll(a, ['no key exchange any more'])
  expect(isKeyExchange(next!.xml)).toBe(false)
  await tally.deliver(b, next!.xml, next!.body)
  await tally.deliver(b, three!.xml, three!.body)
  tally.late += 1
  // Whoever still answers a key exchange: the answer is read.
  for (const xml of await b.answers()) await tally.deliverEmpty(a, xml)
  await tally.repeat(b, one!.xml)
  await tally.repeat(b, three!.xml)
  await tally.repeat(b, next!.xml)
  return first
}

/** Messages in turns, so that both ratchets turn with each of them. */
async function inTurns(a: Correspondent, b: Correspondent, rounds: number, tally: Tally): Promise<void> {
  for (let round = 0; round < rounds; round += 1)
    for (const [from, to] of [
      [b, a],
      [a, b],
    ] as const)
      for (const { xml, body } of await sendAll(from, [`turn ${round} ✓ <&>`]))
        await tally.deliver(to, xml, body)
}

/** One chain of five: three in any order, one lost between them, one that arrives after both sides went on. */
async function disturbed(from: Correspondent, to: Correspondent, order: Order, tally: Tally): Promise<void> {
  const chain = await sendAll(from, ['0', '1', '2', 'lost', 'late'])
  tally.lost += 1
  for (const index of order) await tally.deliver(to, chain[index]!.xml, chain[index]!.body)
  await tally.repeat(to, chain[order[0]]!.xml)
  await inTurns(from, to, 1, tally)
  const late = chain[4]!
  await tally.deliver(to, late.xml, late.body)
  tally.late += 1
  await tally.repeat(to, late.xml)
  await tally.repeat(to, chain[order[2]]!.xml)
}

async function session(
  { ours, python: theirs, account }: Pair,
  initiator: string,
  index: number,
  tally: Tally,
) {
  const [a, b] = initiator === 'ours' ? [ours, theirs] : [theirs, ours]
  const order = ORDERS[index % ORDERS.length]!
  await open(a, b, order, tally)
  await inTurns(a, b, 2, tally)
  await disturbed(a, b, order, tally)
  await disturbed(b, a, order, tally)
  await tally.deliverEmpty(b, await a.sendEmpty())
  await tally.deliverEmpty(a, await b.sendEmpty())
  await inTurns(a, b, 1, tally)
  tally.sessions += 1
  tally.signs[account.identityKey[31]! >> 7]! += 1
}

describe.each([OMEMO_2, AXOLOTL] as const)('%s', (namespace) => {
  test.each(['ours', 'python'] as const)(
    'sessions that %s opens deliver everything',
    { timeout: 900_000 },
    async (initiator) => {
      const tally = new Tally()
      const begun = performance.now()
      await each(SESSIONS, async (index) => {
        const identitySign = index % 4 < 2 ? 0 : 1
        const pair = await freshPair(pythons[index % pythons.length]!, namespace, { identitySign })
        await session(pair, initiator, index, tally)
        await pair.account.close()
      })
      const took = (performance.now() - begun) / SESSIONS
      const { empty, ...counts } = tally
      console.log(
        `${namespace}, ${initiator} opens: ${SESSIONS} sessions (sign bits ${tally.signs.join(' + ')}), ` +
          `${tally.delivered} messages and ${empty} empty ones, ${took.toFixed(0)} ms a session`,
      )
      expect(counts).toEqual({
        sessions: SESSIONS,
        signs: [SESSIONS / 2, SESSIONS / 2],
        delivered: 22 * SESSIONS,
        lost: 3 * SESSIONS,
        late: 3 * SESSIONS,
        duplicates: 9 * SESSIONS,
      })
      // One answers the key exchange, of which python-omemo sends one each; two were asked for.
      expect(empty).toBe((initiator === 'ours' ? 5 : 3) * SESSIONS)
    },
  )
})
