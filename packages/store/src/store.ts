/**
 * The storage port: bytes by key, list by prefix, one atomic commit.
 *
 * Concurrency is optimistic. Reading gives a *token* with every answer; a commit names the tokens of all it
 * depends on, and is refused when any of those answers is no longer true. Nothing is ever locked, so tabs,
 * workers and processes that share a store need not know each other, and one that dies holds nobody up.
 */

/** What this package returns as bytes; assignable to what WebCrypto takes on every TypeScript from 5.6. */
export type Bytes = ReturnType<typeof Uint8Array.of>

/**
 * A key is 1 to this many bytes of UTF-8: 2047 for the longest bare JID (RFC 7622 §3.1: 1023 + 1 + 1023) and
 * 513 for the prefixes around it. PostgreSQL's 2704 bytes of an index row are the smallest ceiling met.
 */
export const MAX_KEY_BYTES = 2560

/**
 * A value is 0 to this many bytes: 1 MiB. The largest record of the family is a kept plaintext, and servers
 * limit a stanza to 512 KiB at most.
 */
export const MAX_VALUE_BYTES = 1_048_576

/**
 * Where the family keeps its state. Implementations must hold every sentence below; the kit of
 * `@xmpp-e2e/store/conformance` tries to catch them at not doing so.
 *
 * Keys are case-sensitive, well-formed Unicode without control characters (U+0000 to U+001F, U+007F), at most
 * `MAX_KEY_BYTES`; they are compared by code point, never normalized. Values are at most `MAX_VALUE_BYTES`. An
 * empty value is a value. A store neither keeps the arrays it was given nor hands out arrays it keeps, and
 * what it hands out are plain `Uint8Array`s (not Node's `Buffer`, whose `slice` shares its memory). What it is given
 * it takes at the call: the caller may change its arrays as soon as it has the promise.
 *
 * Arguments outside these limits reject with a `TypeError` or `RangeError` and change nothing; `checkKey`,
 * `checkPrefix` and `checkBatch` of this package do that for a store.
 *
 * A store belongs to whoever opened it. The port has no `close`, because several users share one store.
 */
export interface Store {
  /**
   * Reads all keys as of one moment, in the order asked for; the same key may be asked for twice.
   *
   * Every answer has a token, that of an absent key too. A token is an opaque string that may be kept,
   * serialized and used by another process on the same store. It stands for this key having this value:
   * the next put or delete of the key makes it stale *for good*. Neither writing the old value again, nor
   * deleting and creating the key, nor closing and reopening the store makes a stale token current.
   */
  read(keys: readonly string[]): Promise<readonly Reading[]>

  /**
   * Reads everything whose key starts with `prefix`, as of one moment, in no particular order. The empty
   * prefix lists the whole store.
   *
   * The token stands for the whole list: a put or delete of any key with that prefix, present or not when
   * listed, makes it stale for good.
   */
  list(prefix: string): Promise<Listing>

  /**
   * Writes the whole batch, or nothing of it.
   *
   * - `true`: every token was current at one moment and the batch was written at that same moment. It is as
   *   durable as the store promises, and every read that begins from now on sees it.
   * - `false`: nothing was written, because a token was stale or is not one of this store. A store may also
   *   say so when it is not certain, and so forget history; but a commit whose tokens were read after
   *   all other commits had ended is never refused, and of commits that run at once, one is not.
   * - A rejection means **unknown**: the batch may be there, or may even be written later if its tokens
   *   are current then. Discard what was computed and read again. (Only a `TypeError` or `RangeError`
   *   for a batch that `checkBatch` refuses is certain: nothing was written.)
   *
   * Without tokens the batch is written whatever is there. Without puts and deletes the tokens are still
   * checked, and nothing changes: they stay current. A put always counts as a change, of equal bytes too.
   * Deleting what is absent is allowed. No limit on the number of tokens, puts and deletes: a message to a
   * thousand devices is one commit.
   */
  commit(tokens: readonly string[], batch: Batch): Promise<boolean>
}

/** What one key held. */
export interface Reading {
  /** A copy; `undefined` when the key is absent. */
  readonly value: Bytes | undefined
  readonly token: string
}

/** What was there under a prefix. */
export interface Listing {
  /** Whole keys, prefix included, each once, with copies of their values. */
  readonly entries: readonly (readonly [key: string, value: Bytes])[]
  readonly token: string
}

/** Changes that belong together. No key may occur twice, neither within `put` or `delete` nor across them. */
export interface Batch {
  readonly put?: readonly Put[]
  readonly delete?: readonly string[]
}

/** A key and its new value. */
export type Put = readonly [key: string, value: Uint8Array]

/**
 * @throws {TypeError} when it is no string, or has control characters or lone surrogates
 * @throws {RangeError} when it is empty or longer than `MAX_KEY_BYTES`
 */
export function checkKey(key: string): void {
  if (checkText(key, 'key') === 0) throw new RangeError('key: is empty')
}

/** As `checkKey`, but a prefix may be empty. */
export function checkPrefix(prefix: string): void {
  checkText(prefix, 'prefix')
}

/**
 * @throws {TypeError} on a bad key, a value that is no `Uint8Array`, or a key that occurs twice
 * @throws {RangeError} on a key or value that is too long
 */
export function checkBatch(batch: Batch): void {
  refusing(() => check(batch))
}

/** Errors of batches that no store has seen. */
const refusals = new WeakSet<object>()

/** @internal Marks what is thrown as certain: nothing was written. For what is done before a commit touches a store. */
export function refusing(check: () => void): void {
  try {
    check()
  } catch (error) {
    if (error instanceof Error) refusals.add(error)
    throw error
  }
}

/** @internal */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && refusals.has(error)
}

function check(batch: Batch): void {
  const keys = new Set<string>()
  const once = (key: string): void => {
    checkKey(key)
    if (keys.has(key)) throw new TypeError('batch: the same key twice')
    keys.add(key)
  }
  for (const [key, value] of batch.put ?? []) {
    once(key)
    // The tag, unlike instanceof, holds for arrays of another realm.
    if (Object.prototype.toString.call(value) !== '[object Uint8Array]')
      throw new TypeError('value: expected a Uint8Array')
    if (value.length > MAX_VALUE_BYTES)
      throw new RangeError(`value: expected at most ${MAX_VALUE_BYTES} bytes, got ${value.length}`)
  }
  for (const key of batch.delete ?? []) once(key)
}

/** Its length in bytes of UTF-8. */
function checkText(text: string, label: string): number {
  if (typeof text !== 'string') throw new TypeError(`${label}: expected a string`)
  const long = `${label}: longer than ${MAX_KEY_BYTES} bytes of UTF-8`
  // A UTF-16 unit takes at least one byte: no need to walk through what is far too long.
  if (text.length > MAX_KEY_BYTES) throw new RangeError(long)
  let length = 0
  for (const character of text) {
    const point = character.codePointAt(0)!
    if (point < 0x20 || point === 0x7f) throw new TypeError(`${label}: has a control character`)
    if (point >= 0xd800 && point <= 0xdfff) throw new TypeError(`${label}: has a lone surrogate`)
    length += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
  }
  if (length > MAX_KEY_BYTES) throw new RangeError(long)
  return length
}
