/** Sessions with any other implementation: one after the other, in pieces, over a bad line, and to the end. */
import { randomBytes } from 'node:crypto'
import type { Version } from '@xmpp-e2e/otr/core'
import { describe, expect, test } from 'vitest'
import { converse, type OtrSide } from './side.ts'
import { expectSession, fresh, type OtrScene, open } from './suite.ts'

/** Characters: the shortest that we make, what lies around it, usual ones, and one that a commit exceeds by little. */
const LIMITS = [60, 61, 62, 63, 64, 100, 140, 255, 400]
/** Bytes of texts that are sent in pieces: the last piece is full at some. */
const LENGTHS = Array.from({ length: 24 }, (_, i) => 16 + 3 * i)
/** Our policy's, and everybody's. */
const HEARTBEAT_MS = 60_000
/** Past the time in which a query is an echo of what led to the session: a minute with otr3. */
const LATER_MS = 61_000
const MESSAGES = 2000
const ROUNDS = 20
/** Of a hundred messages so many get lost, and so many come twice. */
const LOST = 10
const TWICE = 20

export function successions(scene: OtrScene, version: Version): void {
  describe.each(['we', 'they'] as const)('sessions that %s ask for', (who) => {
    /** Gives the session id. */
    async function begin(ours: OtrSide): Promise<string> {
      if (who === 'we') ours.query()
      else await scene.peer.query()
      await converse(ours, scene.peer)
      await expectSession(ours, scene, version)
      return ours.session.state === 'encrypted' ? ours.session.ssid : 'none'
    }

    test.each(['we', 'they'] as const)('four on the same objects, %s end them', async (last) => {
      const ours = await fresh(scene, version)
      const ids = new Set<string>()
      for (let session = 1; session <= 4; session++) {
        ids.add(await begin(ours))
        if (last === 'we') ours.end()
        else await scene.peer.disconnect()
        await converse(ours, scene.peer)
        expect(ours.session.state).toBe(last === 'we' ? 'plaintext' : 'finished')
      }
      expect(ids.size).toBe(4)
    })

    test('four, each in the place of the one before', async () => {
      const ours = await fresh(scene, version)
      const ids = new Set<string>()
      for (let session = 1; session <= 4; session++) {
        ids.add(await begin(ours))
        ours.pass(LATER_MS)
        await scene.peer.pass(LATER_MS / 1000)
      }
      expect(ids.size).toBe(4)
    })
  })
}

export function fragments(scene: OtrScene, version: Version): void {
  describe.each(LIMITS)('in pieces of %s characters', (limit) => {
    test.each(['we', 'they'] as const)('a session from its beginning, %s commit', async (who) => {
      const { peer } = scene
      const pieces = { us: 0, them: 0 }
      const line = (text: string, to: 'us' | 'them') => {
        expect(text.length).toBeLessThanOrEqual(limit)
        if (/^\?OTR[|,]/.test(text)) pieces[to]++
        return 1
      }
      const ours = await fresh(scene, version, { maxFragment: limit })
      await peer.setLimit(limit)
      if (who === 'we') ours.receive(`?OTRv${version}?`)
      else await peer.receive(`?OTRv${version}?`)
      await converse(ours, peer, line)
      await expectSession(ours, scene, version)
      const first = { ...pieces }
      for (const length of LENGTHS) {
        const text = randomBytes(length).toString('latin1').replaceAll('\0', 'é')
        ours.send(text)
        await peer.send(text)
        await converse(ours, peer, line)
        expect([ours.read.at(-1), peer.read.at(-1)]).toEqual([text, text])
      }
      // Short messages just fit into the longest.
      expect(Math.min(first.us, first.them)).toBeGreaterThanOrEqual(2)
      expect(pieces.us - first.us).toBeGreaterThanOrEqual(LENGTHS.length)
      expect(pieces.them - first.them).toBeGreaterThanOrEqual(LENGTHS.length)
    })
  })
}

/** Messages could be read without it, but nobody would ever forget a key. */
export function rotations(scene: OtrScene, version: Version): void {
  test(`${ROUNDS} answers, and each side has taken as many new keys`, async () => {
    const { peer } = scene
    const ours = await open(scene, version)
    const ids: { us: number[][]; them: number[][] } = { us: [], them: [] }
    const line = (text: string, to: 'us' | 'them') => {
      ids[to].push(keyIds(text, version))
      return 1
    }
    for (let round = 0; round < ROUNDS; round++) {
      ours.send('and you?')
      await converse(ours, peer, line)
      await peer.send('I as well')
      await converse(ours, peer, line)
    }
    const gone = ([[sender = 0, recipient = 0] = [], ...others]: readonly number[][]) =>
      others.map((id) => [(id[0] ?? 0) - sender, (id[1] ?? 0) - recipient])
    const each = Array.from({ length: ROUNDS - 1 }, (_, i) => [i + 1, i + 1])
    expect([gone(ids.them), gone(ids.us)]).toEqual([each, each])
  })
}

/** The sender's and the recipient's, of a data message. */
function keyIds(text: string, version: Version): number[] {
  const message = Buffer.from(text.slice('?OTR:'.length, -1), 'base64')
  // After version, type, instance tags and flags.
  const start = version === 2 ? 4 : 12
  return [message.readUInt32BE(start), message.readUInt32BE(start + 4)]
}

export function badLine(scene: OtrScene, version: Version): void {
  test(`${MESSAGES} messages, of which some get lost and some come twice`, async () => {
    const { peer } = scene
    const ours = await open(scene, version)
    ours.events = []
    peer.read = []
    const chance = dice(version)
    const arrived: { us: string[]; them: string[] } = { us: [], them: [] }
    let repeated = 0
    for (let i = 0; i < MESSAGES; i++) {
      const text = `message ${i}`
      const to = chance() < 50 ? 'us' : 'them'
      if (to === 'us') await peer.send(text)
      else ours.send(text)
      expect([ours.out.length, peer.out.length]).toEqual(to === 'us' ? [0, 1] : [1, 0])
      let isFirst = true
      await converse(ours, peer, (_, way) => {
        const fate = chance()
        const times = fate < LOST ? 0 : fate < LOST + TWICE ? 2 : 1
        // What follows is what is said about a repetition.
        if (isFirst && times > 0) arrived[to].push(text)
        if (isFirst && times > 1 && way === 'us') repeated++
        isFirst = false
        return times
      })
    }
    expect(ours.read).toEqual(arrived.us)
    expect(peer.read).toEqual(arrived.them)
    expect(ours.having('dropped').map(({ why }) => why)).toEqual(Array(repeated).fill('replayed'))
    expect(arrived.us.length + arrived.them.length).toBeLessThan(MESSAGES)
    expect(repeated).toBeGreaterThan(0)
    await expectSession(ours, scene, version)
  })
}

export function endings(scene: OtrScene, version: Version): void {
  test('they end it: nothing goes out any more', async () => {
    const { peer } = scene
    const ours = await open(scene, version)
    await peer.disconnect()
    await converse(ours, peer)
    expect(ours.session).toEqual({ state: 'finished', fingerprint: peer.fingerprint })
    ours.send('secret')
    expect(ours.out).toEqual([])
    expect(ours.having('refused')).toMatchObject([{ reason: 'finished' }])
  })

  test('we end it: they know', async () => {
    const { peer } = scene
    const ours = await open(scene, version)
    ours.end()
    await converse(ours, peer)
    expect(peer.event('disconnected')).toBeDefined()
    await peer.send('secret')
    expect(peer.out).toEqual([])
  })

  test('a heartbeat of ours says nothing, and lets keys go', async () => {
    const { peer } = scene
    const ours = await open(scene, version)
    peer.read = []
    for (let beat = 0; beat < 3; beat++) {
      await peer.send(`only they write ${beat}`)
      await converse(ours, peer)
      ours.pass(HEARTBEAT_MS)
      expect(ours.out).toHaveLength(1)
      await converse(ours, peer)
    }
    expect([peer.read, peer.clear]).toEqual([[], []])
    await expectSession(ours, scene, version)
  })

  test('a heartbeat of theirs says nothing', async () => {
    const { peer } = scene
    const ours = await open(scene, version)
    ours.events = []
    for (let beat = 0; beat < 3; beat++) {
      await peer.pass(HEARTBEAT_MS / 1000 + 1)
      ours.send(`only we write ${beat}`)
      let beats = 0
      await converse(ours, peer, (_, to) => {
        if (to === 'us') beats++
        return 1
      })
      expect(beats).toBe(1)
    }
    expect(ours.events).toEqual([])
    await expectSession(ours, scene, version)
  })
}

export function symmetricKeys(scene: OtrScene, version: Version): void {
  const about = Uint8Array.from(randomBytes(20))
  const hex = Buffer.from(about).toString('hex')
  const hexOf = (key: Uint8Array | undefined) => Buffer.from(key ?? []).toString('hex')

  if (version === 2) {
    test('there is no symmetric key', async () => {
      const ours = await open(scene, version)
      ours.shareSymmetricKey(1, about)
      expect(ours.out).toEqual([])
      expect(ours.having('refused')).toMatchObject([{ reason: 'not-now' }])
    })
    return
  }

  test('we make a symmetric key, and they do', async () => {
    const { peer } = scene
    const ours = await open(scene, version)
    for (let use = 1; use <= 5; use++) {
      ours.shareSymmetricKey(use, about)
      await converse(ours, peer)
      const made = ours.having('symmetric-key').at(-1)
      expect(made).toMatchObject({ use, data: about, weInitiated: true })
      expect(peer.event('symkey')).toBe(`symkey ${use} ${hex} ${hexOf(made?.key)}`)

      await peer.shareSymmetricKey(use, about)
      await converse(ours, peer)
      const theirs = ours.having('symmetric-key').at(-1)
      expect(theirs).toMatchObject({ use, data: about, weInitiated: false })
      expect(peer.event('mysymkey')).toBe(`mysymkey ${hexOf(theirs?.key)}`)
      expect(hexOf(theirs?.key)).toHaveLength(64)
      await expectSession(ours, scene, version)
    }
  })
}

/** Numbers from 0 to 99, the same ones for the same seed (xorshift). */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % 100
  }
}
