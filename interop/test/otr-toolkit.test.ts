/** Deniability, shown with libotr's own toolkit: who reads along can forge what was said, and nobody is deceived. */
import type { Version } from '@xmpp-e2e/otr/core'
import { describe, expect, test } from 'vitest'
import { libotr } from '../src/otr/libotr.ts'
import { converse, type OtrSide } from '../src/otr/side.ts'
import { expectSession, fresh, otrScene } from '../src/otr/suite.ts'
import { forge, modify, open, parse, read, repeat, verifies } from '../src/otr/toolkit.ts'

type Way = 'us' | 'them'
type Line = (text: string, to: Way) => number

const scene = otrScene(libotr)
const SAID = 'please pay Bob 100 dollars now'
const FORGED = SAID.replace('100', '999')
const OFFSET = SAID.indexOf('100')
/** Messages, and who they are for: in bursts of one to three, again and again. */
const ROUNDS = 60
const BURSTS: readonly Way[] = ['us', 'them', 'us', 'us', 'them', 'them', 'us', 'them', 'them', 'them']
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Everything that was on its way, and to whom. */
interface Heard {
  readonly to: Way
  readonly text: string
}
const eavesdropper = () => {
  const heard: Heard[] = []
  const line = (text: string, to: Way) => {
    heard.push({ to, text })
    return 1
  }
  return { heard, line }
}

async function begin(version: Version, line: Line): Promise<OtrSide> {
  const ours = await fresh(scene, version)
  ours.query()
  await converse(ours, scene.peer, line)
  return ours
}

async function say(ours: OtrSide, to: Way, text: string, line: Line): Promise<void> {
  if (to === 'us') await scene.peer.send(text)
  else ours.send(text)
  await converse(ours, scene.peer, line)
}

/** What a window of ours knows of keys that were used. */
function pairsOf({ conversation }: OtrSide) {
  const session = conversation.instances.at(-1)?.session
  return session?.state === 'encrypted' ? session.window.pairs : []
}

/** Brings a text to one side, whose answers go nowhere; gives what its user reads of it. */
async function deliver(ours: OtrSide, to: Way, text: string): Promise<readonly string[]> {
  const { peer } = scene
  const before = [ours.read.length, peer.read.length] as const
  if (to === 'us') ours.receive(text)
  else await peer.receive(text)
  ours.out = []
  peer.out = []
  return to === 'us' ? ours.read.slice(before[0]) : peer.read.slice(before[1])
}

describe.each(libotr.versions)('in version %s', (version) => {
  test('the toolkit shows what we say as it is', async () => {
    const { heard, line } = eavesdropper()
    const ours = await begin(version, line)
    for (let i = 0; i < 5; i++)
      for (const to of ['us', 'them'] as const) await say(ours, to, `message ${i}`, line)
    ours.end()
    await converse(ours, scene.peer, line)

    const encoded = heard.filter(({ text }) => text.startsWith('?OTR:'))
    const shown = parse(encoded.map(({ text }) => text))
    const exchange = ['D-H Commit', 'D-H Key', 'Reveal Signature', 'Signature'].map(
      (name) => `${name} Message`,
    )
    expect(shown.map(({ title }) => title)).toEqual([...exchange, ...Array(11).fill('Data Message')])
    for (const [i, { title, fields }] of shown.entries()) {
      expect(fields).toMatchObject({ Version: `0${version}` })
      if (title !== 'Data Message') continue
      const { senderKeyId, recipientKeyId, revealed } = open(encoded[i]!.text)!
      expect(fields).toMatchObject({ 'Sender keyid': `${senderKeyId}`, 'Rcpt keyid': `${recipientKeyId}` })
      expect(Object.entries(fields).flatMap(([name, key]) => (/^Key \d+$/.test(name) ? key : []))).toEqual(
        revealed,
      )
    }
  })

  test.each(['them', 'us'] as const)('what was said to %s is forged, and refused', async (to) => {
    const { heard, line } = eavesdropper()
    const ours = await begin(version, line)
    await say(ours, to, SAID, line)
    const said = heard.at(-1)!.text
    const ciphers = pairsOf(ours).flatMap(({ keys }) => {
      const cipher = to === 'us' ? keys.receivingCipher : keys.sendingCipher
      return verifies(said, hex(to === 'us' ? keys.receivingMac : keys.sendingMac)) ? [hex(cipher)] : []
    })
    expect(ciphers).toHaveLength(1)
    const [cipher = ''] = ciphers
    expect(read(said, cipher)).toBe(SAID)
    expect(read(said, '00'.repeat(16))).toBeUndefined()

    // Who has read it publishes the key of its MAC.
    const revealer = to === 'us' ? 'them' : 'us'
    const published = () =>
      heard.flatMap((one) => (one.to === revealer ? (open(one.text)?.revealed ?? []) : []))
    expect(published().filter((key) => verifies(said, key))).toEqual([])
    for (let i = 0; i < 4; i++)
      for (const way of ['us', 'them'] as const) await say(ours, way, `later ${i}`, line)
    const keys = published().filter((key) => verifies(said, key))
    expect(keys).toHaveLength(1)
    const [key = ''] = keys

    const modified = modify(said, key, '100', '999', OFFSET)
    const madeUp = forge(said, cipher, 'I owe you a house')
    expect(read(modified, cipher)).toBe(FORGED)
    expect(read(madeUp, cipher)).toBe('I owe you a house')
    for (const forged of [modified, madeUp]) {
      expect(forged).not.toBe(said)
      expect(verifies(forged, key)).toBe(true)
      const before = ours.conversation.instances
      expect(await deliver(ours, to, forged)).toEqual([])
      expect(ours.conversation.instances).toEqual(before)
      if (to === 'us') expect(ours.events.at(-1)).toEqual({ type: 'dropped', why: 'unreadable' })
      else expect(scene.peer.events.at(-1)).toBe('msg RCVDMSG_UNREADABLE')
    }
    await expectSession(ours, scene, version)
  })

  test('no key that was revealed is accepted any more, and all are in the end', async () => {
    const { heard, line } = eavesdropper()
    const ours = await begin(version, line)
    let [revealed, seen] = [0, 0]
    for (let i = 0; i < ROUNDS; i++) {
      await say(ours, BURSTS[i % BURSTS.length]!, `message ${i}`, line)
      for (const { to, text } of heard.slice(seen)) {
        const from = to === 'us' ? 'them' : 'us'
        const last = heard
          .filter((one) => one.to === from)
          .flatMap((one) => open(one.text) ?? [])
          .at(-1)
        for (const key of open(text)?.revealed ?? []) {
          revealed++
          expect(heard.filter((one) => one.to === from && verifies(one.text, key))).not.toEqual([])
          for (const sender of around(last!.senderKeyId))
            for (const recipient of around(last!.recipientKeyId)) {
              const before = ours.conversation.instances
              expect(await deliver(ours, from, repeat(last!, key, sender, recipient))).toEqual([])
              expect(ours.conversation.instances).toEqual(before)
            }
        }
      }
      seen = heard.length
    }
    expect(revealed).toBeGreaterThan(ROUNDS / 4)
    // Both take new keys whenever the other one has seen the last.
    for (const way of ['us', 'them'])
      expect(
        Math.max(...heard.map(({ to, text }) => (to === way ? (open(text)?.senderKeyId ?? 0) : 0))),
      ).toBeGreaterThan(ROUNDS / 5)

    // Whoever has a key that is still in use is believed: it is the key that makes the difference.
    await say(ours, 'them', 'now', line)
    const now = open(heard.at(-1)!.text)!
    const inUse = pairsOf(ours).filter(({ keys }) => verifies(heard.at(-1)!.text, hex(keys.sendingMac)))
    const live = repeat(now, hex(inUse[0]!.keys.sendingMac), now.senderKeyId, now.recipientKeyId)
    expect(await deliver(ours, 'them', live)).toHaveLength(1)

    // In the end anybody can have written anything that we have read.
    ours.end()
    await converse(ours, scene.peer, line)
    const published = heard.flatMap(({ to, text }) => (to === 'them' ? (open(text)?.revealed ?? []) : []))
    const toUs = heard.filter(({ to, text }) => to === 'us' && open(text) !== undefined)
    expect(toUs.filter(({ text }) => !published.some((key) => verifies(text, key)))).toEqual([])
  })
})

/** Ids of keys that could be in use: of the last message, and its neighbours. */
function around(keyId: number): readonly number[] {
  return [keyId - 1, keyId, keyId + 1, keyId + 2].filter((id) => id > 0)
}
