/** The façade of OpenPGP on prosody, and what it keeps for it. */

import { oxOn } from '../src/ox/live-suite.ts'
import { startProsody } from '../src/prosody.ts'

oxOn(startProsody)
