/** The PEP suite on real servers. */
import { afterAll, beforeAll, describe } from 'vitest'
import { connect } from '../src/client.ts'
import { pepSuite } from '../src/pep-suite.ts'
import type { Server } from '../src/server.ts'
import { SERVERS } from '../src/servers.ts'

describe.each(SERVERS)('%s', (name, start) => {
  let server: Server
  beforeAll(async () => {
    server = await start()
  })
  afterAll(() => server.stop())

  pepSuite({ name, service: name, connect: (user) => connect(server, server.account(user)) })
})
