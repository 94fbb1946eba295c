/** Comparisons of secrets with otr3. */
import { describe } from 'vitest'
import { comparisons } from '../src/otr/comparisons.ts'
import { otr3 } from '../src/otr/otr3.ts'
import { otrScene } from '../src/otr/suite.ts'

const scene = otrScene(otr3)
describe.each(otr3.versions)('in version %s', (version) => comparisons(scene, version))
