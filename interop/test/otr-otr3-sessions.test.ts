/** Sessions with otr3, from one to the next, over a bad line, and to the end. */
import { describe } from 'vitest'
import { otr3 } from '../src/otr/otr3.ts'
import { badLine, endings, rotations, successions, symmetricKeys } from '../src/otr/sessions.ts'
import { otrScene } from '../src/otr/suite.ts'

const scene = otrScene(otr3)
describe.each(otr3.versions)('in version %s', (version) => {
  successions(scene, version)
  rotations(scene, version)
  badLine(scene, version)
  endings(scene, version)
  symmetricKeys(scene, version)
})
