/** The PEP suite on the service in memory. */
import { testService } from '@xmpp-e2e/testkit'
import { pepSuite } from '../src/pep-suite.ts'

const service = testService()

pepSuite({
  name: 'testkit',
  service: 'testkit',
  async connect(user) {
    const client = service.connect(user)
    return { connection: client.connection, close: async () => client.close() }
  },
})
