/** The façade of OpenPGP on ejabberd, and what it keeps for it. */
import { startEjabberd } from '../src/ejabberd.ts'
import { oxOn } from '../src/ox/live-suite.ts'

oxOn(startEjabberd)
