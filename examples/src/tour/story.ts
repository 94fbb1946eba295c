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
import { Post } from './ox/post.ts'
import { cheating as forging } from './ox/scenes/cheating.ts'
import { clients } from './ox/scenes/clients.ts'
import { keys as certificates } from './ox/scenes/keys.ts'
import { lasting } from './ox/scenes/lasting.ts'
import { message } from './ox/scenes/message.ts'
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
const OX: readonly Scene<Post>[] = [certificates, message, forging, clients]
const OTR: readonly Scene<Talk>[] = [agree, messages, compare, deny, between, end]

/** What is told: everything about one scheme, or about OMEMO and a little of the others. */
export const SCHEMES = ['omemo', 'ox', 'otr'] as const
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
  const omemo = scheme === undefined || scheme === 'omemo' ? OMEMO : []
  const ox = scheme === 'ox' ? OX : scheme === undefined ? [lasting] : []
  const otr = scheme === 'otr' ? OTR : scheme === undefined ? [offTheRecord] : []
  const chapters = omemo.length + ox.length + otr.length
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
  if (omemo.length > 0) await tellOmemo(told, python, width)
  if (ox.length > 0) await tellOx(told, ox, scheme)
  if (otr.length > 0) await tellOtr(told, otr, scheme)
  const closing = CLOSING[scheme ?? 'omemo']
  const readOn = (scheme === undefined ? SCHEMES : [scheme]).flatMap((one) => READ_ON[one])
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

async function tellOx(
  { say, text, show, chapter }: Told,
  scenes: readonly Scene<Post>[],
  scheme: Scheme | undefined,
): Promise<void> {
  if (scheme === 'ox') await say(...text(OX_INTRODUCTION))
  const post = await Post.begin(show)
  try {
    for (const scene of scenes) await chapter(scene, post)
  } finally {
    await post.close()
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

const OX_INTRODUCTION =
  'OpenPGP for XMPP is for letters that are to be kept: one key for each person, in all of their clients, and each letter signed by it. This is Alice and Bob, a server, and somebody who would like to be one of them. All of it happens now, with real keys, on this machine; it stops with an error if anything turns out otherwise than it is told.'

const OTR_INTRODUCTION =
  'OTR, “Off-the-Record Messaging”, is for two people who are both online: a talk that leaves nothing behind, neither keys nor proof. This is Alice and Bob, and a server that would like to know. All of it happens now, with real keys, on this machine; it stops with an error if anything turns out otherwise than it is told.'

const WITH_PYTHON =
  'The phones run this project. Bob’s laptop runs python-omemo, an independent implementation of the same protocol, which is installed here: what the two say to each other proves more than either alone.'

const WITHOUT_PYTHON = `All three devices run this project. If python-omemo is installed, Bob’s laptop runs that instead, as an independent witness (Debian: ${PYTHON_PACKAGES}).`

const CLOSING = {
  omemo:
    'The server carried everything. It knows who wrote to whom, when, and how much; it has read nothing, and when it cheated, it was caught.',
  ox: 'The server carried everything and has read nothing. It keeps the letters, and a box with the key in it: so they can be read again, by who has the code.',
  otr: 'The server carried everything and has read nothing. What it has kept, nobody can open, and nobody has to believe.',
} as const

const READ_ON = {
  omemo: [
    'examples/src/omemo.ts: a message, in one file',
    'packages/omemo/README.md: the package and how to use it',
  ],
  ox: ['examples/src/ox.ts: a letter, in one file', 'packages/ox/README.md: the package and how to use it'],
  otr: ['examples/src/otr.ts: a talk, in one file', 'packages/otr/README.md: the package and how to use it'],
  all: ['SECURITY.md: what it cannot protect', 'examples/src/tour: this story'],
} as const
