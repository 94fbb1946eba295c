/** A key that a server adds to our own list, when ours are in no record of what is trusted. */
import { blindTrustBeforeVerification, firstUse } from '@xmpp-e2e/trust'
import { expect, test } from 'vitest'
import { generateSecretKey } from '../src/openpgp/secret-key.ts'
import { peer } from './keys.ts'
import { world } from './world.ts'

test.each([
  ['firstUse', firstUse],
  ['blindTrustBeforeVerification', blindTrustBeforeVerification],
])('attack: %s does not trust what is added beside our key', async (_, policy) => {
  const w = world()
  const { ox, account } = await w.client('romeo', { policy })
  const { certificate } = await generateSecretKey(account, w.service.clock.now(), undefined)
  await peer(w, 'romeo').announce({ [certificate.fingerprint]: certificate.bytes })
  await w.finish(ox.certificates(account, { refresh: true }))
  const keys = await ox.keys(account)
  expect(keys.find(({ fingerprint }) => fingerprint === certificate.fingerprint)).toMatchObject({
    level: 'undecided',
    own: true,
  })
  expect(keys.find(({ fingerprint }) => fingerprint === ox.fingerprint)).toMatchObject({ level: 'verified' })
})
