/** The PEP suite on real servers, through each of the host libraries. */
import { afterAll, beforeAll, describe } from 'vitest'
import { connectHost, HOSTS } from '../src/hosts.ts'
import { pepSuite } from '../src/pep-suite.ts'
import type { Server } from '../src/server.ts'
import { SERVERS } from '../src/servers.ts'

/** The suite wants accounts that have published nothing. */
const accounts = HOSTS.flatMap((host) => ['alice', 'bob', 'carol'].map((user) => `${user}-${host}`))

describe.each(SERVERS)('%s', (service, start) => {
  let server: Server
  beforeAll(async () => {
    server = await start({ accounts })
  })
  afterAll(() => server.stop())

  describe.each(HOSTS)('%s', (host) => {
    const connect = (user: string) => connectHost(host, server, server.account(`${user}-${host}`))
    pepSuite({ name: `${service} through ${host}`, service, connect })
  })
})
