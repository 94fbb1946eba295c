/** Sessions with libotr, from one to the next, over a bad line, and to the end. */
import { describe } from 'vitest'
import { libotr } from '../src/otr/libotr.ts'
import { badLine, endings, rotations, successions, symmetricKeys } from '../src/otr/sessions.ts'
import { otrScene } from '../src/otr/suite.ts'

const scene = otrScene(libotr)
describe.each(libotr.versions)('in version %s', (version) => {
  successions(scene, version)
  rotations(scene, version)
  badLine(scene, version)
  endings(scene, version)
  symmetricKeys(scene, version)
})
