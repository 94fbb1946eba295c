/** Key exchanges with libotr in version 2. */
import { libotr } from '../src/otr/libotr.ts'
import { crossedStarts, keyExchanges, otrScene } from '../src/otr/suite.ts'

const scene = otrScene(libotr)
keyExchanges(scene, 2)
crossedStarts(scene, 2)
