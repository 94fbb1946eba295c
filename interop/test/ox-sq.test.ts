/** The façade and Sequoia, whose primary keys sign no messages. */
import { Sq } from '../src/ox/sq.ts'
import { roundTrips, toolScene } from '../src/ox/suite.ts'

roundTrips(toolScene(Sq.start))
