import { describe, expect, test } from 'vitest'
import { assemble } from '../src/tour/cast.ts'
import { StoryError } from '../src/tour/fact.ts'
import { agree } from '../src/tour/otr/scenes/agree.ts'
import { Talk } from '../src/tour/otr/talk.ts'
import { authenticates, dataOf, forged } from '../src/tour/otr/wire.ts'
import { Post } from '../src/tour/ox/post.ts'
import { exchange } from '../src/tour/ox/scenes/keys.ts'
import { hasPython } from '../src/tour/python-device.ts'
import { keys } from '../src/tour/scenes/keys.ts'
import { type Scheme, tell } from '../src/tour/story.ts'
import { World } from '../src/tour/world.ts'

/** A device writes in a few milliseconds and Python starts in a second: this is for machines that are busy. */
const TIMEOUT = 60_000

/** The story as it is printed on a terminal of this width. */
async function told(width: number, python: boolean, scheme?: Scheme): Promise<readonly string[]> {
  const lines: string[] = []
  const print = (printed: readonly (readonly { readonly text: string }[])[]) => {
    lines.push(...printed.map((spans) => spans.map(({ text }) => text).join('')))
  }
  await tell({ width, print, pause: async () => undefined }, python, scheme)
  return lines
}

const KEY_LINES = [
  'Alice and Bob meet, and compare the fingerprints',
  '2 kept messages delivered to 2002',
  'It crosses with what Alice wrote.',
  '✓ Bob’s phone reads “I bring bread,”, overtaken',
  '✗ Bob’s phone never gets “and apples.”',
  '✓ Bob’s phone reads “Can you bring a blanket?”',
  '✗ Bob’s phone refuses it: read before',
  '✗ Bob’s phone refuses it: it was changed',
  '✗ 6001 gets no key: Bob’s key has not signed these',
  '✗ 6002 gets no key: nobody has compared it',
  '<encrypted>, old version',
  'starts again, from',
  'The server carried everything.',
]

/** What the people see and what is told, in one column and without the server's. */
function peopleOf(lines: readonly string[]): string {
  return lines
    .map((line) => line.split('│ ')[0]!.trim())
    .join(' ')
    .replace(/ +/g, ' ')
}

test.each([
  ['without python-omemo, one column', 48, false],
  ['without python-omemo, two columns', 104, false],
  // The tour itself asks whether it is installed: where it is not, this is the first story once more.
  ['as npm start tells it here', 80, hasPython()],
])(
  'the story happens as it is told: %s',
  async (_, width, python) => {
    const lines = await told(width, python)
    expect(lines.filter(({ length }) => length > width)).toEqual([])

    const people = peopleOf(lines)
    const everything = lines.join('\n')
    const missing = KEY_LINES.filter((line) => !people.includes(line) && !everything.includes(line))
    expect(missing).toEqual([])
    expect(everything.match(/ of 10: /g)).toHaveLength(10)
    expect(everything).toContain('9 of 10: Letters that last, with OpenPGP')
    expect(everything).toContain('10 of 10: Off the record, with OTR')
    expect(everything.includes('python-omemo 1.')).toBe(python)
    expect(everything.includes('(Debian:')).toBe(!python)
  },
  TIMEOUT,
)

const OTR_LINES = [
  'Alice ──▶ Bob query',
  'Alice ◀── Bob D-H Commit',
  'Alice ──▶ Bob D-H Key',
  'Alice ◀── Bob Reveal Signature',
  'Alice ──▶ Bob Signature',
  '✓ both have the same keys',
  '✓ four messages, four sets of keys',
  'Alice ──▶ Bob SMP 4',
  '✓ equal: Bob’s client calls Alice’s key verified',
  '✗ different: somebody else',
  '1 old MAC key',
  '✓ its MAC is valid',
  '✗ Bob’s client refuses it: it has no such keys any more',
  '│ Yes, I did write it │',
  '! reads “The gate is open.”',
  '✗ Alice’s client: different. This is not Bob.',
  '✗ Bob’s client does not send what he was typing',
]

test.each([40, 72, 104])('the story of OTR happens as it is told, %i wide', async (width) => {
  const lines = await told(width, false, 'otr')
  expect(lines.filter(({ length }) => length > width)).toEqual([])
  const everything = lines.join('\n')
  const words = lines.join(' ').replace(/ +/g, ' ')
  const people = peopleOf(lines)
  const isTold = (line: string) => [everything, words, people].some((text) => text.includes(line))
  expect(OTR_LINES.filter((line) => !isTold(line))).toEqual([])
  expect(everything.match(/ of 6: /g)).toHaveLength(6)
  expect(everything).not.toContain('python-omemo')
})

const OX_LINES = [
  '✓ Alice has a key',
  '→ keeps its certificate',
  'xmpp:alice@',
  '✓ Alice and Bob meet, and scan each other’s codes: verified',
  '┌─ <signcrypt>, 256',
  '“Yes.”',
  '✓ both letters fill 256 bytes',
  '✗ Bob’s phone refuses it: no key of Alice’s has signed it',
  '✗ Bob’s phone refuses it: it was changed',
  '✗ Carol refuses it: Alice has signed it, but the letter is to Bob',
  '✗ Bob’s phone refuses it: read before',
  '✗ Bob’s laptop, with another code: nothing',
  '✓ Bob’s laptop reads “The letter of last year.”, which was there before it',
  '✗ Whoever gets Bob’s key reads all of it, too',
]

test.each([40, 72, 104])(
  'the story of OpenPGP happens as it is told, %i wide',
  async (width) => {
    const lines = await told(width, false, 'ox')
    expect(lines.filter(({ length }) => length > width)).toEqual([])
    const everything = lines.join('\n')
    const words = lines.join(' ').replace(/ +/g, ' ')
    const people = peopleOf(lines)
    const isTold = (line: string) => [everything, words, people].some((text) => text.includes(line))
    expect(OX_LINES.filter((line) => !isTold(line))).toEqual([])
    expect(everything.match(/ of 4: /g)).toHaveLength(4)
    expect(everything).not.toContain('OMEMO')
    // What is open is closed.
    expect(everything.match(/┌/g)?.length).toBe(everything.match(/┘/g)?.length)
  },
  TIMEOUT,
)

describe('a story of OpenPGP that goes wrong', () => {
  const begin = async () => {
    const post = await Post.begin(async () => undefined)
    await exchange(post)
    return { post, letter: await post.alice.writes(post.bob, 'Hello!') }
  }

  test('is not told to its end when something else is read', async () => {
    const { post, letter } = await begin()
    await expect(post.reads(post.bob, letter, 'Hullo!')).rejects.toThrow('reads “Hullo!”, not Hello!')
  })

  test('or when what must be refused is read', async () => {
    const { post, letter } = await begin()
    const refused = post.refuses(post.bob, letter, 'signer-unknown', 'it is forged', [])
    await expect(refused).rejects.toThrow(StoryError)
  })

  test('or is refused for something else', async () => {
    const { post, letter } = await begin()
    await post.reads(post.bob, letter, 'Hello!')
    const refused = post.refuses(post.bob, letter, 'signer-unknown', 'it is forged', [])
    await expect(refused).rejects.toThrow('signer-unknown, not duplicate')
  })
})

test('the story of OMEMO alone says nothing of OTR', async () => {
  const everything = (await told(80, false, 'omemo')).join('\n')
  expect(everything.match(/ of 8: /g)).toHaveLength(8)
  expect(everything).not.toContain('OTR')
})

describe('a story of OTR that goes wrong', () => {
  const begin = async () => {
    const talk = await Talk.begin(async () => undefined)
    await agree.play(talk)
    return talk
  }

  test('is not told to its end when a message is not read', async () => {
    const talk = await begin()
    talk.bob.ends()
    await expect(talk.says(talk.alice, 'Hello!')).rejects.toThrow(StoryError)
  })

  test('or when a key exchange is another', async () => {
    const talk = await begin()
    talk.alice.query()
    // Who has been asked and waits does not ask.
    talk.bob.gets('?OTRv3?')
    await expect(talk.agree(async () => undefined)).rejects.toThrow('a key exchange is')
  })

  test('and a forgery needs the key that was published, and the same length', async () => {
    const talk = await begin()
    const kept = dataOf(await talk.says(talk.alice, 'No.'))
    const key = new Uint8Array(20)
    expect(authenticates(key, kept)).toBe(false)
    expect(authenticates(key, dataOf(forged(kept, 'No.', 'Yes', key)))).toBe(true)
    expect(talk.bob.wouldRead(forged(kept, 'No.', 'Yes', key), talk.bob.conversation)).toBeUndefined()
    expect(() => forged(kept, 'No.', 'Yes.', key)).toThrow('as long')
  })
})

describe('a story that goes wrong', () => {
  const begin = async () => {
    const { cast } = await assemble(false)
    const world = new World(cast, async () => undefined)
    await keys.play(world)
    return { world, cast, letter: await world.says(cast.alice, 'Hello!') }
  }

  test('is not told to its end when something else is read', async () => {
    const { world, cast, letter } = await begin()
    await expect(world.reads({ ...letter, body: 'Hullo!' }, cast.phone)).rejects.toThrow(StoryError)
  })

  test('or when what must be read is refused', async () => {
    const { world, cast, letter } = await begin()
    const stanza = world.server.tampered(letter.stanza)
    await expect(world.reads({ ...letter, stanza }, cast.phone)).rejects.toThrow(StoryError)
  })

  test('or when what must be refused is read', async () => {
    const { world, cast, letter } = await begin()
    await expect(world.refuses(letter.stanza, cast.phone)).rejects.toThrow(StoryError)
  })

  test('or when a fingerprint is not the one that was compared', async () => {
    const { world, cast } = await begin()
    const { alice, phone, laptop } = cast
    const other = await laptop.fingerprint()
    await expect(alice.trust(phone.jid, phone.deviceId, other, world.server)).rejects.toThrow('differ')
  })
})
