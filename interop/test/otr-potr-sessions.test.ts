/** Sessions with potr, from one to the next, over a bad line, and to the end. */
import { describe } from 'vitest'
import { potr } from '../src/otr/potr.ts'
import { badLine, endings, rotations, successions, symmetricKeys } from '../src/otr/sessions.ts'
import { otrScene } from '../src/otr/suite.ts'

const scene = otrScene(potr)
describe.each(potr.versions)('in version %s', (version) => {
  successions(scene, version)
  rotations(scene, version)
  badLine(scene, version)
  endings(scene, version)
  symmetricKeys(scene, version)
})
