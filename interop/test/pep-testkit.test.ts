/** The PEP suite on the service in memory, as the specifications have it and as servers do. */
import { ejabberd, modern, prosody, testService } from '@xmpp-e2e/testkit'
import { describe } from 'vitest'
import { pepSuite } from '../src/pep-suite.ts'

describe.each([
  ['modern', modern, 'testkit'],
  ['prosody', prosody, 'prosody'],
  ['ejabberd', ejabberd, 'ejabberd'],
] as const)('%s', (name, quirks, differences) => {
  const service = testService({ quirks })

  pepSuite({
    name: `testkit as ${name}`,
    service: differences,
    async connect(user) {
      const client = service.connect(user)
      return { connection: client.connection, close: async () => client.close() }
    },
  })
})
