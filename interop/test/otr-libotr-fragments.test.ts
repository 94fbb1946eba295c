/** Sessions with libotr in fragments. */
import { describe } from 'vitest'
import { libotr } from '../src/otr/libotr.ts'
import { fragments } from '../src/otr/sessions.ts'
import { otrScene } from '../src/otr/suite.ts'

const scene = otrScene(libotr)
describe.each(libotr.versions)('in version %s', (version) => fragments(scene, version))
