/**
 * How openpgp is used. Every call gets the whole of it, so that nothing which the application or another library sets in
 * openpgp's own global configuration changes what is accepted here.
 */
import { type Config, enums } from 'openpgp'
import { OxError } from '../error.ts'

/**
 * How late our clock may be, in milliseconds: signatures and keys that are dated up to an hour from now count. openpgp alone
 * refuses what is a second ahead, and contacts with fast clocks are common.
 */
export const CLOCK_TOLERANCE_MS = 3_600_000

/**
 * Bytes that a message may unpack to: twice the 128 KiB of a content element, which leaves room for signatures. 200 MB of
 * zeros pack into 195 kB.
 */
const MAX_UNPACKED_BYTES = 262_144

/** KiB of memory for a passphrase, as a power of two: 128 MiB, twice what RFC 9106 recommends for small machines. */
export const MAX_ARGON2_MEMORY_EXPONENT = 17

const OLD_HASHES = [enums.hash.md5, enums.hash.ripemd, enums.hash.sha1]

/** @internal What keys and messages of others have to satisfy. */
export const STRICT: Config = Object.freeze({
  // What we write: version 4 keys and SEIPD version 1, which GnuPG 2.2 reads; nothing compressed, as the padding hides the length.
  v6Keys: false,
  aeadProtect: false,
  preferredAEADAlgorithm: enums.aead.gcm,
  aeadChunkSizeByte: 12,
  preferredSymmetricAlgorithm: enums.symmetric.aes256,
  preferredHashAlgorithm: enums.hash.sha512,
  preferredCompressionAlgorithm: enums.compression.uncompressed,
  nonDeterministicSignaturesViaNotation: true,
  // Argon2 is for those who have RFC 9580, and no peer has.
  s2kType: enums.s2k.iterated,
  s2kIterationCountByte: 224,
  s2kArgon2Params: { passes: 3, parallelism: 4, memoryExponent: 16 },
  passwordCollisionCheck: false,
  showVersion: false,
  showComment: false,
  versionString: '',
  commentString: '',

  // What we read: nothing without integrity protection (EFAIL), nothing beside a signed message (CVE-2025-47934), no bombs.
  allowUnauthenticatedMessages: false,
  allowUnauthenticatedStream: false,
  enforceGrammar: true,
  additionalAllowedPackets: [],
  ignoreUnsupportedPackets: true,
  ignoreMalformedPackets: false,
  enableParsingV5Entities: false,
  parseAEADEncryptedV4KeysAsLegacy: false,
  knownNotations: [],
  maxUserIDLength: 5120,
  maxDecompressedMessageSize: MAX_UNPACKED_BYTES,
  maxArgon2MemoryExponent: MAX_ARGON2_MEMORY_EXPONENT,
  constantTimePKCS1Decryption: true,
  constantTimePKCS1DecryptionSupportedSymmetricAlgorithms: new Set([
    enums.symmetric.aes128,
    enums.symmetric.aes192,
    enums.symmetric.aes256,
  ]),
  allowInsecureDecryptionWithSigningKeys: false,
  allowInsecureVerificationWithReformattedKeys: false,
  allowMissingKeyFlags: false,
  useEllipticFallback: true,
  minRSABits: 2047,
  // SHA-1 in the signatures that make a key, too: openpgp alone still takes those.
  rejectHashAlgorithms: new Set(OLD_HASHES),
  rejectMessageHashAlgorithms: new Set(OLD_HASHES),
  rejectPublicKeyAlgorithms: new Set([enums.publicKey.elgamal, enums.publicKey.dsa]),
  rejectCurves: new Set([enums.curve.secp256k1]),
})

/** @internal With old algorithms: to read what was encrypted to our own keys, and to say why a key is refused. */
export const LENIENT: Config = Object.freeze({
  ...STRICT,
  minRSABits: 0,
  rejectHashAlgorithms: new Set<enums.hash>(),
  rejectMessageHashAlgorithms: new Set<enums.hash>(),
  rejectPublicKeyAlgorithms: new Set<enums.publicKey>(),
  rejectCurves: new Set<enums.curve>(),
  constantTimePKCS1DecryptionSupportedSymmetricAlgorithms: new Set([
    enums.symmetric.aes128,
    enums.symmetric.aes192,
    enums.symmetric.aes256,
    enums.symmetric.tripledes,
    enums.symmetric.cast5,
  ]),
})

/**
 * @internal What openpgp says of algorithms, curves and versions that it does not know, does not have on this platform (Node
 * has the Brainpool curves by a package that openpgp does not depend on), or does not take from a sender.
 */
export const UNSUPPORTED =
  /not supported|unsupported|unknown (?:curve|version|symmetric)|invalid enum value|non-preferred symmetric|cannot find (?:module|package)/i

/** @internal Where a key was certified anew since, its older signatures count. */
export const REFORMATTED: Config = Object.freeze({
  ...STRICT,
  allowInsecureVerificationWithReformattedKeys: true,
})

declare const crypto: { readonly subtle?: unknown } | undefined

/** @internal Whether there is WebCrypto: in browsers, only in secure contexts. */
export function hasCrypto(): boolean {
  return typeof crypto === 'object' && crypto.subtle !== undefined
}

/** @internal @throws {OxError} `crypto-unavailable` */
export function assertCrypto(): void {
  if (!hasCrypto()) throw new OxError('crypto-unavailable', 'openpgp: this platform has no WebCrypto')
}
