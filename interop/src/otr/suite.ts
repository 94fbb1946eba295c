/** What our side does with any other implementation of OTR. */
import type { DsaPrivateKey, Policy, Version } from '@xmpp-e2e/otr/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { OtrPeer } from './peer.ts'
import { converse, fault, newKey, OtrSide } from './side.ts'

/** An implementation, and what is particular about it. */
export interface OtrPeerKind {
  readonly name: string
  readonly versions: readonly Version[]
  /** Key exchanges in each version and with each side beginning. */
  readonly exchanges: number
  /** Key exchanges that both begin at the same time. */
  readonly crossed: number
  /** Who answered a comparison and finds that the secrets differ says so, by message 4, or aborts. */
  readonly mismatch: 'message-4' | 'abort'
  start(): Promise<OtrPeer>
  stop(peer: OtrPeer): Promise<void>
}

/** More waits than retries: the last one is for the verdict that nobody answers. */
const MAX_WAITS = 8

/** One process of a peer and one key of ours, for all tests of a file. */
export interface OtrScene {
  readonly kind: OtrPeerKind
  readonly peer: OtrPeer
  readonly key: DsaPrivateKey
}

export function otrScene(kind: OtrPeerKind): OtrScene {
  let peer: OtrPeer | undefined
  let key: DsaPrivateKey | undefined
  beforeAll(async () => {
    key = await newKey()
    peer = await kind.start()
  })
  afterAll(async () => {
    if (peer !== undefined) await kind.stop(peer)
  })
  const here = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('the peer did not start')
    return value
  }
  return {
    kind,
    get peer() {
      return here(peer)
    },
    get key() {
      return here(key)
    },
  }
}

/** Key exchanges that one side begins, each with a conversation that is new to both. */
export function keyExchanges(scene: OtrScene, version: Version): void {
  const { exchanges } = scene.kind
  test.each(['we', 'they'] as const)(`${exchanges} of ${exchanges} key exchanges, %s commit`, async (who) => {
    const verdicts: string[] = []
    for (let i = 0; i < exchanges; i++) {
      const ours = await fresh(scene, version)
      if (who === 'we') await scene.peer.query()
      else ours.query()
      await converse(ours, scene.peer)
      verdicts.push(await verdict(ours, scene, version))
      ours.end()
      await converse(ours, scene.peer)
    }
    expect(tally(verdicts)).toEqual({ good: exchanges })
  })
}

/** Both are asked at the same time, and both commit before either hears of it. */
export function crossedStarts(scene: OtrScene, version: Version): void {
  const { crossed } = scene.kind
  test(`${crossed} of ${crossed} crossed starts`, async () => {
    const verdicts: string[] = []
    for (let i = 0; i < crossed; i++) {
      const ours = await fresh(scene, version)
      ours.receive(`?OTRv${version}?`)
      await scene.peer.receive(`?OTRv${version}?`)
      expect([ours.out.length, scene.peer.out.length]).toEqual([1, 1])
      await converse(ours, scene.peer)
      for (let waits = 0; waits < MAX_WAITS && ours.session.state !== 'encrypted'; waits++) {
        ours.wait()
        await converse(ours, scene.peer)
      }
      verdicts.push(await verdict(ours, scene, version))
    }
    expect(tally(verdicts)).toEqual({ good: crossed })
  })
}

/** A conversation that is new to both. */
export async function fresh(
  { peer, key }: OtrScene,
  version: Version,
  policy: Partial<Policy> = {},
): Promise<OtrSide> {
  await peer.reset([version])
  return new OtrSide(key, { ...policy, versions: [version] })
}

/** With a session, for which they have asked. */
export async function open(scene: OtrScene, version: Version): Promise<OtrSide> {
  const ours = await fresh(scene, version)
  await scene.peer.query()
  await converse(ours, scene.peer)
  await expectSession(ours, scene, version)
  return ours
}

/** Both read each other. */
export async function expectSession(ours: OtrSide, scene: OtrScene, version: Version): Promise<void> {
  expect(await verdict(ours, scene, version)).toBe('good')
}

async function verdict(ours: OtrSide, { peer }: OtrScene, version: Version): Promise<string> {
  return (await fault(ours, peer, version)) ?? 'good'
}

function tally(verdicts: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const one of verdicts) counts[one] = (counts[one] ?? 0) + 1
  return counts
}
