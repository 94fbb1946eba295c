import { expect, test } from 'vitest'
import * as hashes from '../src/hashes.ts'
import * as disco from '../src/index.ts'
import * as items from '../src/items.ts'
import * as rooms from '../src/rooms.ts'
import * as schemes from '../src/schemes.ts'

test('the package exports', () => {
  expect(Object.keys(disco).sort()).toMatchInlineSnapshot(`
    [
      "CAPS2_NAMESPACE",
      "CAPS_NAMESPACE",
      "CLAIM_TIMEOUT_MS",
      "DATA_FORM_NAMESPACE",
      "DiscoError",
      "HASHES_NAMESPACE",
      "INFO_NAMESPACE",
      "KEPT_DESCRIPTIONS",
      "MAX_ALGORITHM_LENGTH",
      "MAX_CACHED",
      "MAX_CLAIMANTS",
      "MAX_CLAIM_LENGTH",
      "MAX_HASHES",
      "MAX_HASH_LENGTH",
      "MAX_INFO_LENGTH",
      "MAX_PRIVATE",
      "MAX_RESOURCES",
      "caps",
      "claimsOf",
      "dataForm",
      "disco",
      "formType",
      "hashSet",
      "infoQuery",
      "isShareable",
      "readInfo",
      "sha1",
      "sha256",
      "verify",
    ]
  `)
})

test('/rooms exports', () => {
  expect(Object.keys(rooms)).toEqual(['roomMembers'])
})

test('lists of items are', () => {
  expect(Object.keys(items).sort()).toMatchInlineSnapshot(`
    [
      "ITEMS_NAMESPACE",
      "MAX_ITEMS",
      "PAGE_ITEMS",
      "items",
    ]
  `)
})

test('scheme support is', () => {
  expect(Object.keys(schemes).sort()).toMatchInlineSnapshot(`
    [
      "MAX_ASKED",
      "MAX_HEARD",
      "OTR_FEATURE",
      "SCHEMES",
      "schemeSupport",
    ]
  `)
})

test('the other hash functions are', () => {
  expect(Object.keys(hashes).sort()).toMatchInlineSnapshot(`
    [
      "blake2b_256",
      "blake2b_512",
      "hashes",
      "sha3_256",
      "sha3_512",
      "sha512",
    ]
  `)
})
