/** What the package offers at run time. A name that is missing here was removed: a breaking change. */
import { expect, test } from 'vitest'
import * as otr from '../src/index.ts'

test('the façade', () => {
  expect(Object.keys(otr).sort()).toMatchInlineSnapshot(`
    [
      "AKE_RETRY_JITTER_MS",
      "AKE_RETRY_MS",
      "BROADCAST_EXPIRY_MS",
      "DEFAULT_POLICY",
      "FRAGMENT_EXPIRY_MS",
      "MAX_AKE_RETRIES",
      "MAX_ERROR_REPLIES",
      "MAX_FILE_CHARACTERS",
      "MAX_FRAGMENTS",
      "MAX_INSTANCES",
      "MAX_KEYS",
      "MAX_MESSAGE_BYTES",
      "MAX_PAD",
      "MAX_PEERS",
      "MAX_QUESTION_BYTES",
      "MAX_REMEMBERED_KEYS",
      "MAX_SMP_RECORDS",
      "MAX_STRANGERS",
      "MAX_WAITING_MAC_KEYS",
      "MIN_FRAGMENT",
      "MIN_INSTANCE_TAG",
      "OTR_NAMESPACE",
      "Otr",
      "OtrError",
      "QUERY_QUIET_MS",
      "QUERY_REPEAT_MS",
      "featuresOf",
      "isOtr",
      "mayHoldOtr",
    ]
  `)
})
