/** Comparisons of secrets with libotr. */
import { describe } from 'vitest'
import { comparisons } from '../src/otr/comparisons.ts'
import { libotr } from '../src/otr/libotr.ts'
import { otrScene } from '../src/otr/suite.ts'

const scene = otrScene(libotr)
describe.each(libotr.versions)('in version %s', (version) => comparisons(scene, version))
