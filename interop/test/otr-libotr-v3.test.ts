/** Key exchanges with libotr in version 3. */
import { libotr } from '../src/otr/libotr.ts'
import { crossedStarts, keyExchanges, otrScene } from '../src/otr/suite.ts'

const scene = otrScene(libotr)
keyExchanges(scene, 3)
crossedStarts(scene, 3)
