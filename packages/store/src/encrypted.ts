/**
 * Seals the values of any store with XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), each for its name:
 *
 *     0   1   version, 1
 *     1   24  nonce
 *     25  …   ciphertext, and 16 bytes of tag
 *
 *     seal       16 bytes, drawn when the store was made    associated data: 0
 *     r/<key>    the value                                  associated data: 1 ‖ those 16 bytes ‖ key in UTF-8
 *
 * Nonces are random: no counter can be trusted that is stored where an attacker rolls it back, or where another
 * process counts as well. With 192 bits, 2^64 records under one key meet in a nonce with a chance of 2^-65.
 */

import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { concatBytes, utf8ToBytes } from '@noble/ciphers/utils.js'
import { StoreError } from './error.ts'
import { draw } from './random.ts'
import { sealedVersions } from './sealed-version.ts'
import {
  type Bytes,
  checkBatch,
  checkKey,
  checkPrefix,
  MAX_KEY_BYTES,
  MAX_VALUE_BYTES,
  refusing,
  type Store,
} from './store.ts'
import { update } from './update.ts'

export { MAX_SEALED_VERSIONS } from './sealed-version.ts'

/** What is injected. */
export interface EncryptedOptions {
  /** So many bytes from a cryptographically secure source. */
  random(length: number): Uint8Array
}

/** Of the key of an encrypted store. */
export const STORE_KEY_BYTES = 32

const [VERSION, NONCE_BYTES, TAG_BYTES, ID_BYTES] = [1, 24, 16, 16]
const [HEADER_KEY, PREFIX] = ['seal', 'r/']

/** The longest value that can be sealed: 41 bytes are added to it. */
export const MAX_SEALED_VALUE_BYTES = MAX_VALUE_BYTES - (1 + NONCE_BYTES + TAG_BYTES)

/** The longest key of a sealed value: 2 bytes are put before it. */
export const MAX_SEALED_KEY_BYTES = MAX_KEY_BYTES - PREFIX.length

/**
 * A view of the whole store in which values are sealed with `key`, 32 random bytes that are copied (a password is none:
 * derive them with Argon2id or scrypt). Keys stay readable, because prefixes are listed, and so do lengths and
 * the number of changes. Tokens are those of the store.
 *
 * What was altered, put under another name or brought here from another store is `record-forged`. A version that was
 * replaced while this object knew it, and is there again, is `rolled-back`. An older version that it has never known
 * as replaced is taken for the current one, and so is the absence of a record that was deleted behind its back: for
 * one record, for some, or for all but that of `checkpoint`, which notices when the whole store is replaced.
 *
 * Use a key for one store only: another store with the same key, put in the place of this one, opens.
 *
 * `read` and `list` reject with a `StoreError` of these two codes, whose `cause` is the record's key.
 *
 * @throws {StoreError} `key-wrong`, when the store was sealed with another key, or what says so was altered
 * @throws {StoreError} `record-forged`, when there are records but nothing says with which key they were sealed
 * @throws {StoreError} what `update` throws
 * @throws {TypeError | RangeError} when the key is not `STORE_KEY_BYTES` long
 */
export async function encrypted(store: Store, key: Uint8Array, options: EncryptedOptions): Promise<Store> {
  // The tag, unlike instanceof, holds for arrays of another realm.
  if (Object.prototype.toString.call(key) !== '[object Uint8Array]')
    throw new TypeError('key: expected a Uint8Array')
  if (key.length !== STORE_KEY_BYTES)
    throw new RangeError(`key: expected ${STORE_KEY_BYTES} bytes, got ${key.length}`)
  const secret = new Uint8Array(key)
  const seal = (value: Uint8Array, associatedData: Uint8Array): Bytes => {
    const nonce = draw(options, NONCE_BYTES)
    const ciphertext = xchacha20poly1305(secret, nonce, associatedData).encrypt(value)
    return concatBytes(Uint8Array.of(VERSION), nonce, ciphertext)
  }
  const id = await identify(store, secret, () => seal(draw(options, ID_BYTES), Uint8Array.of(0)))
  const associatedData = (name: string): Uint8Array => concatBytes(Uint8Array.of(1), id, utf8ToBytes(name))
  const versions = sealedVersions()

  const outer = (name: string): string => {
    checkKey(name)
    return PREFIX + name
  }
  const reveal = (name: string, sealed: Uint8Array | undefined, asked: number): Bytes | undefined => {
    const value = sealed && open(secret, sealed, associatedData(name))
    if (sealed && !value) throw new StoreError('record-forged', 'a record is not what was sealed', name)
    if (!versions.learn(name, sealed && versionOf(sealed), asked))
      throw new StoreError('rolled-back', 'a record is older than it was', name)
    return value
  }

  return {
    async read(names) {
      const asked = versions.moment()
      const given = [...names]
      const readings = await store.read(given.map(outer))
      return readings.map(({ value, token }, i) => ({ value: reveal(given[i]!, value, asked), token }))
    },

    async list(prefix) {
      checkPrefix(prefix)
      const asked = versions.moment()
      const { entries, token } = await store.list(PREFIX + prefix)
      const revealed = entries.map(([outerName, sealed]) => {
        const name = outerName.slice(PREFIX.length)
        return [name, reveal(name, sealed, asked)!] as const
      })
      const present = new Set(revealed.map(([name]) => name))
      for (const name of versions.known(prefix))
        if (!present.has(name)) versions.learn(name, undefined, asked)
      return { entries: revealed, token }
    },

    async commit(tokens, batch) {
      checkBatch(batch)
      refusing(() => {
        for (const [, { length }] of batch.put ?? [])
          if (length > MAX_SEALED_VALUE_BYTES)
            throw new RangeError(`value: expected at most ${MAX_SEALED_VALUE_BYTES} bytes, got ${length}`)
      })
      const asked = versions.moment()
      const [names, deleted] = [(batch.put ?? []).map(([name]) => name), [...(batch.delete ?? [])]]
      const put = (batch.put ?? []).map(
        ([name, value]) => [outer(name), seal(value, associatedData(name))] as const,
      )
      if (!(await store.commit(tokens, { put, delete: deleted.map(outer) }))) return false
      put.forEach(([, sealed], i) => {
        versions.learn(names[i]!, versionOf(sealed), asked)
      })
      for (const name of deleted) versions.learn(name, undefined, asked)
      return true
    },
  }
}

/** The 16 bytes that tell this store's records from those of others with the same key; sealed if there are none yet. */
function identify(store: Store, secret: Uint8Array, sealId: () => Bytes): Promise<Uint8Array> {
  return update(store, [HEADER_KEY], async ([stored], reader) => {
    if (!stored && (await reader.list(PREFIX)).length > 0)
      throw new StoreError('record-forged', 'what says how the records are sealed is missing')
    const header = stored ?? sealId()
    const result = open(secret, header, Uint8Array.of(0))
    if (result?.length !== ID_BYTES)
      throw new StoreError('key-wrong', 'the store was sealed with another key')
    return stored ? { result } : { put: [[HEADER_KEY, header]], result }
  })
}

/** @returns `undefined` when it is not what was sealed with these associated data */
function open(secret: Uint8Array, sealed: Uint8Array, associatedData: Uint8Array): Bytes | undefined {
  if (sealed[0] !== VERSION || sealed.length < 1 + NONCE_BYTES + TAG_BYTES) return undefined
  const cipher = xchacha20poly1305(secret, sealed.subarray(1, 1 + NONCE_BYTES), associatedData)
  try {
    return cipher.decrypt(sealed.subarray(1 + NONCE_BYTES))
  } catch {
    return undefined
  }
}

/** The nonce, as a text that can be the key of a map. */
function versionOf(sealed: Uint8Array): string {
  return String.fromCharCode(...sealed.subarray(1, 1 + NONCE_BYTES))
}
