/** The Socialist Millionaires' Protocol with any other implementation, in both roles. */
import type { Version } from '@xmpp-e2e/otr/core'
import { describe, expect, test } from 'vitest'
import { converse, type OtrSide } from './side.ts'
import { expectSession, type OtrScene, open } from './suite.ts'

const SECRET = 'the café at nine'
const QUESTION = 'where did we meet, naïvely?'

/** What the two are told at the end. */
type Ending = readonly [ours: string | undefined, theirs: string | undefined]

export function comparisons(scene: OtrScene, version: Version): void {
  const { mismatch } = scene.kind
  /** Up to message 1, and the question whether the other side was asked. */
  async function begin(who: 'we' | 'they', question?: string): Promise<OtrSide> {
    const ours = await open(scene, version)
    await start(scene, ours, who, question)
    return ours
  }

  async function giveSecret(ours: OtrSide, who: 'we' | 'they', secret: string): Promise<void> {
    if (who === 'we') await scene.peer.answerComparison(secret)
    else ours.answerComparison(secret)
  }

  /** The other side gives a secret, and it goes on to the end. */
  async function answer(ours: OtrSide, who: 'we' | 'they', secret: string): Promise<void> {
    await giveSecret(ours, who, secret)
    await converse(ours, scene.peer)
  }

  async function expectEnding(ours: OtrSide, who: 'we' | 'they', ending: Ending): Promise<void> {
    expect(found(scene, ours)).toEqual(ending)
    expect(ours.having('smp-ended').map(({ weInitiated }) => weInitiated)).toEqual([who === 'we'])
    await expectMore(ours, who)
  }

  /** Neither the session nor the next comparison suffers. */
  async function expectMore(ours: OtrSide, who: 'we' | 'they'): Promise<void> {
    await expectSession(ours, scene, version)
    await start(scene, ours, who)
    await answer(ours, who, SECRET)
    expect(found(scene, ours)).toEqual(['match', 'SUCCESS'])
  }

  describe.each(['we', 'they'] as const)('a comparison, %s start', (who) => {
    const other = who === 'we' ? 'they' : 'we'

    test('finds equal secrets', async () => {
      const ours = await begin(who)
      await answer(ours, who, SECRET)
      await expectEnding(ours, who, ['match', 'SUCCESS'])
    })

    test('finds an equal answer to a question', async () => {
      const ours = await begin(who, QUESTION)
      await answer(ours, who, SECRET)
      expect(ours.having('smp-ended').map(({ oneWay }) => oneWay)).toEqual([true])
      await expectEnding(ours, who, ['match', 'SUCCESS'])
    })

    test('finds different secrets', async () => {
      const ours = await begin(who)
      await answer(ours, who, 'another café')
      const theyAbort = who === 'we' && mismatch === 'abort'
      expect(ours.having('smp-ended').map(({ secretsMayDiffer }) => secretsMayDiffer)).toEqual([theyAbort])
      await expectEnding(ours, who, [theyAbort ? 'aborted' : 'mismatch', 'FAILURE'])
    })

    test('is aborted by who was asked', async () => {
      const ours = await begin(who)
      await abort(scene, ours, other)
      await expectEnding(ours, who, aborted(other))
    })

    test('is aborted by who asked', async () => {
      const ours = await begin(who)
      await abort(scene, ours, who)
      await expectEnding(ours, who, aborted(who))
    })

    // Who asks says 1 and 3, who is asked 2 and 4.
    test.each([1, 2, 3, 4])('is no use for who lies in message %s', async (message) => {
      const liar = message % 2 === 1 ? who : other
      const ours = await open(scene, version)
      if (message === 1) await cheat(scene, ours, liar)
      await start(scene, ours, who, undefined, message === 1)
      if (message === 2 || message === 3) await cheat(scene, ours, liar)
      if (message > 1) await giveSecret(ours, who, SECRET)
      if (message === 4) await cheat(scene, ours, liar)
      await converse(ours, scene.peer)
      const [weFound, theyFound] = found(scene, ours)
      expect(liar === 'we' ? theyFound : weFound).toBe(liar === 'we' ? 'CHEATED' : 'cheated')
      await expectMore(ours, who)
    })
  })
}

/** What the two have been told of the end; abortions follow on what led to them, and that is what counts. */
function found({ peer }: OtrScene, ours: OtrSide): Ending {
  const theirs = peer.events.flatMap(
    (event) => /^smp (SUCCESS|FAILURE|CHEATED|ABORT)\b/.exec(event)?.[1] ?? [],
  )
  return [ours.having('smp-ended').at(-1)?.result, theirs.find((word) => word !== 'ABORT') ?? theirs[0]]
}

async function start(
  scene: OtrScene,
  ours: OtrSide,
  who: 'we' | 'they',
  question?: string,
  inVain = false,
): Promise<void> {
  ours.events = []
  scene.peer.events = scene.peer.events.filter((event) => !event.startsWith('smp '))
  if (who === 'we') ours.startComparison(SECRET, question)
  else await scene.peer.startComparison(SECRET, question)
  await converse(ours, scene.peer)
  if (inVain) return
  if (who === 'we') {
    const asked = question === undefined ? 'ASK_FOR_SECRET' : 'ASK_FOR_ANSWER'
    const hex = question === undefined ? [] : [Buffer.from(question).toString('hex')]
    expect(scene.peer.event('smp')).toBe(['smp', asked, ...hex].join(' '))
  } else {
    expect(ours.having('smp-asked').map((event) => event.question)).toEqual([question])
  }
}

async function abort({ peer }: OtrScene, ours: OtrSide, who: 'we' | 'they'): Promise<void> {
  if (who === 'we') ours.abortComparison()
  else await peer.abortComparison()
  await converse(ours, peer)
}

async function cheat({ peer }: OtrScene, ours: OtrSide, who: 'we' | 'they'): Promise<void> {
  if (who === 'we') ours.cheat()
  else await peer.cheat()
}

/** Who aborts is told nothing, on the other side: its user did it. */
function aborted(who: 'we' | 'they'): Ending {
  return ['aborted', who === 'we' ? 'ABORT' : undefined]
}
