/** Comparisons of secrets with potr. */
import { describe } from 'vitest'
import { comparisons } from '../src/otr/comparisons.ts'
import { potr } from '../src/otr/potr.ts'
import { otrScene } from '../src/otr/suite.ts'

const scene = otrScene(potr)
describe.each(potr.versions)('in version %s', (version) => comparisons(scene, version))
