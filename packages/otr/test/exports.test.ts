/** What the package offers at run time. A name that is missing here was removed: a breaking change. */
import { expect, test } from 'vitest'
import * as core from '../src/core.ts'
import * as html from '../src/html.ts'
import * as otr from '../src/index.ts'
import * as xmpp from '../src/xmpp.ts'

test('the façade', () => {
  expect(Object.keys(otr).sort()).toMatchInlineSnapshot(`
    [
      "AKE_RETRY_JITTER_MS",
      "AKE_RETRY_MS",
      "BROADCAST_EXPIRY_MS",
      "DEFAULT_POLICY",
      "FRAGMENT_EXPIRY_MS",
      "MAX_AKE_RETRIES",
      "MAX_ASSEMBLED_BYTES",
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

test('the protocol without network', () => {
  expect(Object.keys(core).sort()).toMatchInlineSnapshot(`
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
      "MAX_MESSAGE_BYTES",
      "MAX_PAD",
      "MAX_QUESTION_BYTES",
      "MAX_REMEMBERED_KEYS",
      "MAX_SMP_RECORDS",
      "MAX_WAITING_MAC_KEYS",
      "MIN_FRAGMENT",
      "MIN_INSTANCE_TAG",
      "OtrError",
      "QUERY_QUIET_MS",
      "QUERY_REPEAT_MS",
      "abortComparison",
      "answerComparison",
      "createConversation",
      "createGroup",
      "createPolicy",
      "discarded",
      "end",
      "fingerprint",
      "formatFingerprints",
      "formatInstanceTags",
      "formatPrivateKeys",
      "generateDsaKey",
      "generateInstanceTag",
      "lose",
      "nextTick",
      "parseFingerprints",
      "parseInstanceTags",
      "parsePrivateKeys",
      "query",
      "receive",
      "runSlices",
      "selectInstance",
      "send",
      "sendPlain",
      "shareSymmetricKey",
      "start",
      "startComparison",
      "textKind",
      "tick",
      "viewSession",
    ]
  `)
})

test('the rules of XMPP', () => {
  expect(Object.keys(xmpp).sort()).toMatchInlineSnapshot(`
    [
      "OTR_NAMESPACE",
      "bodyOf",
      "controlStanza",
      "decryptedStanza",
      "encryptedStanzas",
      "featuresOf",
      "isOtr",
      "mayHoldOtr",
      "namesOf",
      "partsOf",
      "peerOf",
      "withBody",
    ]
  `)
})

test('HTML', () => {
  expect(Object.keys(html).sort()).toMatchInlineSnapshot(`
    [
      "fromText",
      "toText",
    ]
  `)
})
