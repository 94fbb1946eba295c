/** The PEP suite on real servers. */
import { afterAll, beforeAll, describe } from 'vitest'
import { connect } from '../src/client.ts'
import { startEjabberd } from '../src/ejabberd.ts'
import { pepSuite } from '../src/pep-suite.ts'
import { startProsody } from '../src/prosody.ts'
import type { Server } from '../src/server.ts'

describe.each([
  ['prosody', startProsody],
  ['ejabberd', startEjabberd],
] as const)('%s', (name, start) => {
  let server: Server
  beforeAll(async () => {
    server = await start()
  })
  afterAll(() => server.stop())

  pepSuite({ name, service: name, connect: (user) => connect(server, server.account(user)) })
})
