/** Sessions with potr in fragments. */
import { describe } from 'vitest'
import { potr } from '../src/otr/potr.ts'
import { fragments } from '../src/otr/sessions.ts'
import { otrScene } from '../src/otr/suite.ts'

const scene = otrScene(potr)
describe.each(potr.versions)('in version %s', (version) => fragments(scene, version))
