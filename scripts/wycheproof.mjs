// Runs the vectors of C2SP/wycheproof through this project's own wrappers: the guard in front of every curve,
// the key derivations, the ciphers. That noble passes them is noble's business; that the wrappers do is ours.
//
// The vectors are other people's and are not part of this repository. They are read from WYCHEPROOF_DIR, else from
// .wycheproof/testvectors_v1, where a clone of C2SP/wycheproof in .wycheproof has them. Where they are missing, a
// developer is told so; in CI (`CI` is set), or if a folder was named, that is a failure.
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { aesCbc, aesGcm } from '../packages/omemo/dist/aes.js'
import { answer, nobleCurve } from '../packages/omemo/dist/curve.js'
import { hkdfSha256, hmacSha256 } from '../packages/omemo/dist/kdf.js'
import { conclude, root } from './workspace.mjs'

const folder = resolve(root, process.env.WYCHEPROOF_DIR ?? '.wycheproof/testvectors_v1')

const hex = (text) => Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
const same = (a, b) => a !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i])
const some = (test, ...flags) => flags.some((flag) => test.flags.includes(flag))
const valid = (test) => test.result === 'valid'

// RFC 7748 §5 would reduce a u above p, and §6.1 leaves the all-zero check open: the guard refuses both.
// A point on the twist is a u like any other.
const contributory = (test) => !some(test, 'NonCanonicalPublic', 'LowOrderPublic', 'ZeroSharedSecret')

/** A backend that finds everything good, so that the guard in front of it stands alone. */
const credulous = (shared) => ({ ...nobleCurve, sharedSecret: () => shared, verify: () => true })

/**
 * A file a row, some twice. `accepts` drives the wrapper and says whether it took the vector: false, or a throw, is a refusal.
 * `expected` says whether it should; where that is stricter than Wycheproof, the reason stands beside it.
 * `outside` names vectors that the wrapper cannot be asked, because it has no such parameter; they are counted.
 */
const rows = [
  {
    file: 'x25519_test.json',
    accepts: ({ private: secret, public: publicKey, shared }) =>
      same(
        answer(nobleCurve, { op: 'sharedSecret', secret: hex(secret), publicKey: hex(publicKey) }),
        hex(shared),
      ),
    expected: contributory,
  },
  {
    file: 'x25519_test.json',
    what: 'the guard alone',
    accepts: ({ private: secret, public: publicKey, shared }) =>
      same(
        answer(credulous(hex(shared)), {
          op: 'sharedSecret',
          secret: hex(secret),
          publicKey: hex(publicKey),
        }),
        hex(shared),
      ),
    expected: contributory,
  },
  {
    file: 'ed25519_test.json',
    accepts: ({ msg, sig }, { publicKey }) =>
      answer(nobleCurve, {
        op: 'verify',
        signature: hex(sig),
        message: hex(msg),
        publicKey: hex(publicKey.pk),
      }),
    expected: valid,
  },
  {
    file: 'ed25519_test.json',
    what: 'the guard alone',
    accepts: ({ msg, sig }, { publicKey }) =>
      answer(credulous(), {
        op: 'verify',
        signature: hex(sig),
        message: hex(msg),
        publicKey: hex(publicKey.pk),
      }),
    expected: valid,
    // The rest is refused for what the signature says, which only the backend can tell.
    outside: (test) =>
      !valid(test) && !some(test, 'SignatureMalleability', 'TruncatedSignature', 'SignatureWithGarbage'),
  },
  {
    file: 'hkdf_sha256_test.json',
    accepts: ({ ikm, salt, info, size, okm }) =>
      same(hkdfSha256(hex(ikm), hex(salt), hex(info), size), hex(okm)),
    expected: valid,
  },
  {
    file: 'hmac_sha256_test.json',
    accepts: ({ key, msg, tag }, { tagSize }) =>
      same(hmacSha256(hex(key), hex(msg)).subarray(0, tagSize / 8), hex(tag)),
    expected: valid,
  },
  {
    file: 'aes_cbc_pkcs5_test.json',
    accepts: ({ key, iv, msg, ct }) =>
      same(aesCbc.decrypt(hex(key), hex(iv), hex(ct)), hex(msg)) &&
      same(aesCbc.encrypt(hex(key), hex(iv), hex(msg)), hex(ct)),
    expected: valid,
  },
  {
    file: 'aes_gcm_test.json',
    accepts: ({ key, iv, msg, ct, tag }) => {
      const sealed = aesGcm.encrypt(hex(key), hex(iv), hex(msg))
      const opened = aesGcm.decrypt(hex(key), hex(iv), hex(ct), hex(tag))
      return same(opened, hex(msg)) && same(sealed.ciphertext, hex(ct)) && same(sealed.tag, hex(tag))
    },
    // noble refuses IVs below 8 bytes (16 digits) by design; OMEMO's have 12 or 16.
    expected: (test) => valid(test) && test.iv.length >= 16,
    outside: ({ aad }) => aad !== '', // OMEMO has no associated data in GCM
  },
]

/** What went wrong with one vector, or nothing. */
function judge({ accepts, expected }, test, group) {
  const wanted = expected(test)
  let accepted = false
  let reason = ''
  try {
    accepted = accepts(test, group)
  } catch (error) {
    reason = ` (${error.message})`
  }
  if (accepted === wanted) return undefined
  return `${accepted ? 'accepted' : 'refused'}, should be ${wanted ? 'accepted' : 'refused'}${reason}: ${test.comment}`
}

function runFile(row) {
  const { testGroups, numberOfTests } = JSON.parse(readFileSync(join(folder, row.file), 'utf8'))
  const all = testGroups.flatMap((group) => group.tests.map((test) => ({ group, test })))
  const asked = all.filter(({ test }) => !row.outside?.(test))
  const name = row.what === undefined ? row.file : `${row.file}, ${row.what}`
  const accepted = asked.filter(({ test }) => row.expected(test)).length
  console.log(
    `${name}: ${asked.length} of ${numberOfTests} asked, ${accepted} to accept, ${asked.length - accepted} to refuse`,
  )
  const failures = asked.flatMap(({ group, test }) => {
    const wrong = judge(row, test, group)
    return wrong === undefined ? [] : [`${name}: ${test.tcId} ${wrong}`]
  })
  return { passed: asked.length - failures.length, failures }
}

if (existsSync(folder)) {
  const results = rows.map(runFile)
  const failures = results.flatMap((result) => result.failures)
  console.log(`${results.reduce((sum, { passed }) => sum + passed, 0)} passed, ${failures.length} failed`)
  conclude('wycheproof', failures)
} else if (process.env.CI || process.env.WYCHEPROOF_DIR)
  conclude('wycheproof', [`There are no vectors in ${folder}.`])
else console.log(`wycheproof: there are no vectors in ${folder}, nothing was checked.`)
