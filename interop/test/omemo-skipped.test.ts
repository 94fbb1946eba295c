import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Correspondent, each, freshPair } from '../src/correspondent.ts'
import { AXOLOTL, OMEMO_2, PythonOmemo } from '../src/python-omemo.ts'

/** Messages that are skipped in one go. */
const SKIPPED = 500
/** Sessions per namespace; half of them are opened by each side. More take a second each: `SKIPPED_SESSIONS=400`. */
const SESSIONS = Number(process.env.SKIPPED_SESSIONS ?? 24)
/** How many of the skipped messages python-omemo reads afterwards: each costs it as much as all that it keeps. */
const READ_LATE = 10

let pythons: readonly PythonOmemo[]
beforeAll(async () => {
  pythons = await Promise.all([PythonOmemo.start(), PythonOmemo.start()])
})
afterAll(() => Promise.all(pythons.map((python) => python.stop())))

interface Chain {
  readonly bodies: readonly string[]
  readonly xmls: readonly string[]
}

async function sendChain(from: Correspondent, name: string): Promise<Chain> {
  const bodies = Array.from({ length: SKIPPED + 1 }, (_, i) => `${name} ${i}`)
  const xmls: string[] = []
  for (const body of bodies) xmls.push(await from.send(body))
  return { bodies, xmls }
}

/** The last message first, which skips all others. */
async function skip(to: Correspondent, { bodies, xmls }: Chain): Promise<void> {
  expect(await to.read(xmls[SKIPPED]!)).toEqual({ body: bodies[SKIPPED] })
}

/** `count` of those that were skipped, evenly spread, the latest first, and one of them again. */
async function readLate(to: Correspondent, { bodies, xmls }: Chain, count: number): Promise<number> {
  for (let i = count - 1; i >= 0; i -= 1) {
    const index = Math.floor((i * SKIPPED) / count)
    expect(await to.read(xmls[index]!), `${to.name} reads ${index}`).toEqual({ body: bodies[index] })
  }
  expect(await to.read(xmls[0]!)).toEqual(to.duplicate)
  return count
}

async function exchange(a: Correspondent, b: Correspondent): Promise<void> {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    expect(await to.read(await from.send('turn'))).toEqual({ body: 'turn' })
    for (const answer of await to.answers()) expect(await from.read(answer)).toEqual({ empty: true })
  }
}

describe.each([OMEMO_2, AXOLOTL] as const)('%s', (namespace) => {
  test('500 messages are skipped in one go, both ways, and read later', { timeout: 3_600_000 }, async () => {
    const late = { ours: 0, python: 0 }
    const begun = performance.now()
    await each(SESSIONS, async (index) => {
      const { ours, python: theirs, account } = await freshPair(pythons[index % 2]!, namespace)
      await (index % 2 === 0 ? exchange(ours, theirs) : exchange(theirs, ours))
      const [toPython, toOurs] = await Promise.all([sendChain(ours, 'ours'), sendChain(theirs, 'python')])
      await skip(theirs, toPython)
      await skip(ours, toOurs)
      // Half of the late ones come when both sides have gone on to other chains.
      if (index % 4 < 2) await exchange(ours, theirs)
      const readByPython = await readLate(theirs, toPython, READ_LATE)
      const readByUs = await readLate(ours, toOurs, SKIPPED)
      late.python += readByPython
      late.ours += readByUs
      await exchange(theirs, ours)
      await account.close()
    })
    const took = ((performance.now() - begun) / SESSIONS).toFixed(0)
    console.log(`${namespace}: ${SESSIONS} sessions with ${SKIPPED} skipped both ways, ${took} ms a session`)
    expect(late).toEqual({ ours: SKIPPED * SESSIONS, python: READ_LATE * SESSIONS })
  })
})
