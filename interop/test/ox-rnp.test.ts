/** The façade and RNP. */
import { expect, test } from 'vitest'
import { Rnp } from '../src/ox/rnp.ts'
import { bodyOf, content } from '../src/ox/scene.ts'
import { roundTrips, toolScene } from '../src/ox/suite.ts'

const all = toolScene(Rnp.start)
roundTrips(all)

test('in a packet of tag 20 (draft-ietf-openpgp-rfc4880bis) is read', async () => {
  const { tool, contact, key, certificate, scene } = all
  const sent = content('signcrypt', scene.ours, 'authenticated')
  const message = await tool.encrypt(sent, [certificate], key, { aead: true })
  expect(bodyOf(await contact.sends(message))).toBe('authenticated')
})
