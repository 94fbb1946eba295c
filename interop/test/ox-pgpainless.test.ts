/** The façade and PGPainless, whose primary keys sign no messages. */
import { Pgpainless } from '../src/ox/pgpainless.ts'
import { roundTrips, toolScene } from '../src/ox/suite.ts'

roundTrips(toolScene(Pgpainless.start))
