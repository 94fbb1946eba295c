/** Key exchanges with potr. */
import { potr } from '../src/otr/potr.ts'
import { crossedStarts, keyExchanges, otrScene } from '../src/otr/suite.ts'

const scene = otrScene(potr)
keyExchanges(scene, 2)
crossedStarts(scene, 2)
