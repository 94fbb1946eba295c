/** The façade on ejabberd, across from devices of python-omemo in both namespaces. */
import { startEjabberd } from '../src/ejabberd.ts'
import { liveScene } from '../src/live-scene.ts'
import { liveSuite } from '../src/live-suite.ts'

liveSuite(liveScene(startEjabberd))
