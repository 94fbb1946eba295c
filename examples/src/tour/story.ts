/** The whole tour, from the first line to the last. */
import { assemble } from './cast.ts'
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

const SCENES: readonly Scene[] = [keys, offline, crossed, lost, twice, cheating, versions, restart]

const EMPTY: Line = []

/**
 * @param python - whether Bob's laptop runs python-omemo
 * @throws StoryError when something happens otherwise than it is told
 */
export async function tell(terminal: Terminal, python: boolean): Promise<void> {
  const { width } = terminal
  const say = async (...lines: readonly Line[]): Promise<void> => {
    terminal.print(lines)
    await terminal.pause(lines.length)
  }
  const text = (words: string) => paragraph(words, width)

  const { cast, stop } = await assemble(python)
  try {
    await say(
      EMPTY,
      heading('xmpp-e2e', width),
      EMPTY,
      ...text(INTRODUCTION),
      EMPTY,
      ...text(python ? WITH_PYTHON : WITHOUT_PYTHON),
    )
    const world = new World(cast, async (shown) => say(...columnGap(width), ...moment(shown, width)))
    for (const [i, scene] of SCENES.entries()) {
      await say(
        EMPTY,
        heading(`${i + 1} of ${SCENES.length}: ${scene.title}`, width),
        EMPTY,
        ...text(scene.before),
        EMPTY,
      )
      await say(...columnHeads(width))
      await scene.play(world)
      await say(EMPTY, ...text(scene.after))
    }
    await say(EMPTY, heading('What happened', width), EMPTY, ...(await outcome(world, width)))
    await say(
      EMPTY,
      ...text(CLOSING),
      EMPTY,
      ...paragraph('Read on', width, 'strong'),
      ...READ_ON.flatMap(text),
      EMPTY,
    )
  } finally {
    await stop()
  }
}

const INTRODUCTION =
  'A messaging server carries messages, and usually it can read them. With OMEMO, the end-to-end encryption of XMPP, it carries them and cannot. This is a story of two people, Alice and Bob, and three devices. All of it happens now, with real keys, on this machine; it stops with an error if anything turns out otherwise than it is told.'

const WITH_PYTHON =
  'The phones run this project. Bob’s laptop runs python-omemo, an independent implementation of the same protocol, which is installed here: what the two say to each other proves more than either alone.'

const WITHOUT_PYTHON = `All three devices run this project. If python-omemo is installed, Bob’s laptop runs that instead, as an independent witness (Debian: ${PYTHON_PACKAGES}).`

const CLOSING =
  'The server carried everything. It knows who wrote to whom, when, and how much; it has read nothing, and when it cheated, it was caught.'

const READ_ON = [
  'examples/src/omemo.ts: a message, in one file',
  'packages/omemo/README.md: the package and how to use it',
  'SECURITY.md: what it cannot protect',
  'examples/src/tour: this story',
]
