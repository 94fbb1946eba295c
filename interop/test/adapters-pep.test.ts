/** The PEP suite on real servers, through each of the host libraries. */
import { afterAll, beforeAll, describe } from 'vitest'
import { connectHost, HOSTS } from '../src/hosts.ts'
import { pepSuite } from '../src/pep-suite.ts'
import type { Server } from '../src/server.ts'
import { SERVERS } from '../src/servers.ts'

describe.each(SERVERS)('%s', (service, start) => {
  // A server for each: the suite wants accounts that have published nothing.
  describe.each(HOSTS)('%s', (host) => {
    let server: Server
    beforeAll(async () => {
      server = await start()
    })
    afterAll(() => server.stop())

    const connect = (user: string) => connectHost(host, server, server.account(user))
    pepSuite({ name: `${service} through ${host}`, service, connect })
  })
})
