/** What the package offers at run time. A name that is missing here was removed: a breaking change. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import * as elements from '../src/elements.ts'
import * as ox from '../src/index.ts'

test('the façade', () => {
  expect(Object.keys(ox).sort()).toMatchInlineSnapshot(`
    [
      "ANNOUNCE_JITTER_MS",
      "LIST_MS",
      "MAX_ANNOUNCEMENTS_PER_HOUR",
      "MAX_CERTIFICATE_BYTES",
      "MAX_CONTENT_BYTES",
      "MAX_KEYS_PER_ACCOUNT",
      "MAX_MESSAGE_BYTES",
      "MAX_RECIPIENT_KEYS",
      "MAX_UNLISTED_KEYS",
      "OX_NAMESPACE",
      "Ox",
      "OxError",
      "RETRY_MS",
      "SEEN_MS",
      "features",
    ]
  `)
})

test('the elements', () => {
  expect(Object.keys(elements).sort()).toMatchInlineSnapshot(`
    [
      "KEY_LIST_NODE",
      "MAX_ADDRESSEES",
      "MAX_CONTENT_BYTES",
      "MAX_KEYS_PER_ACCOUNT",
      "MAX_MESSAGE_BYTES",
      "OX_NAMESPACE",
      "OxError",
      "PADDING_STEP",
      "SECRET_KEY_NODE",
      "backupCodesOf",
      "decodeContent",
      "decodeKeyList",
      "decodeOpenpgp",
      "decodePublicKey",
      "decodeSecretKey",
      "encodeContent",
      "encodePublicKey",
      "encodeSecretKey",
      "generateBackupCode",
      "hasOpenpgp",
      "namesAccount",
      "openpgpElement",
      "openpgpOf",
      "publicKeyNode",
      "userIdsOf",
      "withKey",
      "withoutKey",
    ]
  `)
})

/** Files, and packages, that are loaded with a file; what is imported for its types alone is not. */
function loaded(file: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(file)) return found
  found.add(file)
  const source = readFileSync(file, 'utf8')
  for (const [, type, from = ''] of source.matchAll(/^(?:import|export)( type)? [^'=(]*?from '([^']+)'/gm)) {
    if (type !== undefined) continue
    if (from.startsWith('.')) loaded(fileURLToPath(new URL(from, `file://${file}`)), found)
    else found.add(from)
  }
  return found
}

const source = (name: string) => fileURLToPath(new URL(`../src/${name}`, import.meta.url))

test('the elements load without openpgp, and the façade with it', () => {
  const packages = [...loaded(source('elements.ts'))].filter((name) => !name.startsWith('/'))
  expect(packages).toEqual(['@xmpp-e2e/xml'])
  expect(loaded(source('index.ts'))).toContain('openpgp')
})

test('only its own folder loads openpgp', () => {
  const others = [...loaded(source('index.ts'))].filter(
    (name) => name.startsWith('/') && !name.includes('/src/openpgp/'),
  )
  expect(others.length).toBeGreaterThan(20)
  for (const file of others) expect(readFileSync(file, 'utf8')).not.toMatch(/from 'openpgp'/)
})
