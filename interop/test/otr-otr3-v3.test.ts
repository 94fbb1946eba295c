/** Key exchanges with otr3 in version 3. */
import { otr3 } from '../src/otr/otr3.ts'
import { crossedStarts, keyExchanges, otrScene } from '../src/otr/suite.ts'

const scene = otrScene(otr3)
keyExchanges(scene, 3)
crossedStarts(scene, 3)
