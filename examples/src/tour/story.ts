/** The whole tour, from the first line to the last. */

import type { Tone } from './block.ts'
import { assemble } from './cast.ts'
import { agree } from './otr/scenes/agree.ts'
import { between } from './otr/scenes/between.ts'
import { compare } from './otr/scenes/compare.ts'
import { deny } from './otr/scenes/deny.ts'
import { end } from './otr/scenes/end.ts'
import { messages } from './otr/scenes/messages.ts'
import { offTheRecord } from './otr/scenes/off-the-record.ts'
import { Talk } from './otr/talk.ts'
import { outcome } from './outcome.ts'
import { PYTHON_PACKAGES } from './python-device.ts'
import type { Scene } from './scene.ts'
import { cheating } from './scenes/cheating.ts'
import { crossed } from './scenes/crossed.ts'
import { keys } from './scenes/keys.ts'
import { lost } from './scenes/lost.ts'
import { offline } from './scenes/offline.ts'
import { restart } from './scenes/restart.ts'
import { twice } from './scenes/twice.ts'
import { versions } from './scenes/versions.ts'
import { columnGap, columnHeads, heading, type Line, moment, paragraph } from './screen.ts'
import type { Terminal } from './terminal.ts'
import { World } from './world.ts'

const OMEMO: readonly Scene[] = [keys, offline, crossed, lost, twice, cheating, versions, restart]
const OTR: readonly Scene<Talk>[] = [agree, messages, compare, deny, between, end]

/** What is told: everything about one scheme, or about OMEMO and a little of the others. */
export const SCHEMES = ['omemo', 'otr'] as const
export type Scheme = (typeof SCHEMES)[number]

const EMPTY: Line = []

interface Told {
  say(...lines: readonly Line[]): Promise<void>
  text(words: string, tone?: Tone): readonly Line[]
  show: World['show']
  chapter<Stage>(scene: Scene<Stage>, stage: Stage): Promise<void>
}

/**
 * @param python - whether Bob's laptop runs python-omemo
 * @throws StoryError when something happens otherwise than it is told
 */
export async function tell(terminal: Terminal, python: boolean, scheme?: Scheme): Promise<void> {
  const { width } = terminal
  const otr = scheme === 'otr' ? OTR : scheme === undefined ? [offTheRecord] : []
  const chapters = (scheme === 'otr' ? 0 : OMEMO.length) + otr.length
  let number = 0
  const say = async (...lines: readonly Line[]): Promise<void> => {
    terminal.print(lines)
    await terminal.pause(lines.length)
  }
  const text = (words: string, tone?: Tone) => paragraph(words, width, tone)
  const told: Told = {
    say,
    text,
    show: (shown) => say(...columnGap(width), ...moment(shown, width)),
    async chapter(scene, stage) {
      number++
      const title = `${number} of ${chapters}: ${scene.title}`
      await say(EMPTY, heading(title, width), EMPTY, ...text(scene.before), EMPTY)
      await say(...columnHeads(width))
      await scene.play(stage)
      await say(EMPTY, ...text(scene.after))
    },
  }

  await say(EMPTY, heading('xmpp-e2e', width), EMPTY)
  if (scheme !== 'otr') await tellOmemo(told, python, width)
  if (otr.length > 0) await tellOtr(told, otr, scheme)
  const closing = scheme === 'otr' ? OTR_CLOSING : CLOSING
  const readOn = scheme === undefined ? [...READ_ON.omemo, ...READ_ON.otr] : READ_ON[scheme]
  await say(
    EMPTY,
    ...text(closing),
    EMPTY,
    ...text('Read on', 'strong'),
    ...[...readOn, ...READ_ON.all].flatMap((line) => text(line)),
    EMPTY,
  )
}

async function tellOmemo({ say, text, show, chapter }: Told, python: boolean, width: number): Promise<void> {
  const { cast, stop } = await assemble(python)
  try {
    await say(...text(INTRODUCTION), EMPTY, ...text(python ? WITH_PYTHON : WITHOUT_PYTHON))
    const world = new World(cast, show)
    for (const scene of OMEMO) await chapter(scene, world)
    await say(EMPTY, heading('What happened', width), EMPTY, ...(await outcome(world, width)))
  } finally {
    await stop()
  }
}

async function tellOtr(
  { say, text, show, chapter }: Told,
  scenes: readonly Scene<Talk>[],
  scheme: Scheme | undefined,
): Promise<void> {
  if (scheme === 'otr') await say(...text(OTR_INTRODUCTION))
  const talk = await Talk.begin(show)
  for (const scene of scenes) await chapter(scene, talk)
}

const INTRODUCTION =
  'A messaging server carries messages, and usually it can read them. With OMEMO, the end-to-end encryption of XMPP, it carries them and cannot. This is a story of two people, Alice and Bob, and three devices. All of it happens now, with real keys, on this machine; it stops with an error if anything turns out otherwise than it is told.'

const OTR_INTRODUCTION =
  'OTR, “Off-the-Record Messaging”, is for two people who are both online: a talk that leaves nothing behind, neither keys nor proof. This is Alice and Bob, and a server that would like to know. All of it happens now, with real keys, on this machine; it stops with an error if anything turns out otherwise than it is told.'

const WITH_PYTHON =
  'The phones run this project. Bob’s laptop runs python-omemo, an independent implementation of the same protocol, which is installed here: what the two say to each other proves more than either alone.'

const WITHOUT_PYTHON = `All three devices run this project. If python-omemo is installed, Bob’s laptop runs that instead, as an independent witness (Debian: ${PYTHON_PACKAGES}).`

const CLOSING =
  'The server carried everything. It knows who wrote to whom, when, and how much; it has read nothing, and when it cheated, it was caught.'

const OTR_CLOSING =
  'The server carried everything and has read nothing. What it has kept, nobody can open, and nobody has to believe.'

const READ_ON = {
  omemo: [
    'examples/src/omemo.ts: a message, in one file',
    'packages/omemo/README.md: the package and how to use it',
  ],
  otr: ['examples/src/otr.ts: a talk, in one file', 'packages/otr/README.md: the package and how to use it'],
  all: ['SECURITY.md: what it cannot protect', 'examples/src/tour: this story'],
} as const
