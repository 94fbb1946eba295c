/** Sessions with otr3 in fragments. Where they come out even, it sends one more, which is empty. */
import { describe, expect, test } from 'vitest'
import { otr3 } from '../src/otr/otr3.ts'
import { fragments } from '../src/otr/sessions.ts'
import { converse } from '../src/otr/side.ts'
import { open, otrScene } from '../src/otr/suite.ts'

const scene = otrScene(otr3)

describe.each(otr3.versions)('in version %s', (version) => {
  fragments(scene, version)

  test('an empty last fragment completes the message', async () => {
    const { peer } = scene
    const ours = await open(scene, version)
    ours.events = []
    let empty = 0
    for (let limit = 60; limit <= 400; limit++) {
      await peer.setLimit(limit)
      const text = `in pieces of ${limit}`
      await peer.send(text)
      if (peer.out.at(-1)?.endsWith(',,')) empty++
      await converse(ours, peer)
      expect(ours.read.at(-1)).toBe(text)
      // Keys go on, so that none pile up which would be published and make messages longer.
      ours.send(text)
      await converse(ours, peer)
    }
    expect(empty).toBeGreaterThan(0)
    expect(ours.having('dropped')).toEqual([])
  })
})
