/** Key exchanges with otr3 in version 2. */
import { otr3 } from '../src/otr/otr3.ts'
import { crossedStarts, keyExchanges, otrScene } from '../src/otr/suite.ts'

const scene = otrScene(otr3)
keyExchanges(scene, 2)
crossedStarts(scene, 2)
