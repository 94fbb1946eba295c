import { expect, test } from 'vitest'
import * as trust from '../src/index.ts'
import * as qr from '../src/qr.ts'

test('the package exports', () => {
  expect(Object.keys(trust).sort()).toMatchInlineSnapshot(`
    [
      "ATM_NAMESPACE",
      "MAX_CLAIMS",
      "MAX_FINGERPRINT_TEXT",
      "MAX_KEY_ID_BYTES",
      "MAX_KEY_RECORD",
      "MAX_NOTICE_KEYS",
      "MAX_TRUST_MESSAGE_KEYS",
      "MAX_URI_LENGTH",
      "MAX_WAITING_CONTACT",
      "MAX_WAITING_CONTACTS",
      "MAX_WAITING_OWN",
      "TRUST_MESSAGE_NAMESPACE",
      "TrustError",
      "automaticTrustManagement",
      "blindTrustBeforeVerification",
      "decideKey",
      "decodeKey",
      "decodeWaiting",
      "encodeKey",
      "encodeWaiting",
      "fingerprintGroups",
      "firstUse",
      "formatFingerprint",
      "formatKeyUri",
      "formatOpenpgpUri",
      "formatXmppUri",
      "isSameFingerprint",
      "judge",
      "manual",
      "meetKey",
      "noticeElement",
      "parseFingerprint",
      "parseKeyUri",
      "parseOpenpgpUri",
      "parseXmppUri",
      "receiveTrustMessage",
      "trustMessage",
    ]
  `)
})

test('the QR part exports', () => {
  expect(Object.keys(qr).sort()).toMatchInlineSnapshot(`
    [
      "qrModules",
      "qrPath",
    ]
  `)
})
