/** What a certificate is good for at a time (RFC 9580 §5.2.3). */
import { type Config, enums, type Key } from 'openpgp'
import type { CertificateProblem } from '../outcome.ts'
import { CLOCK_TOLERANCE_MS, LENIENT, STRICT, UNSUPPORTED } from './config.ts'
import { componentsOf, isUserId } from './packets.ts'

/** @internal */
export interface Validity {
  readonly userIds: readonly string[]
  readonly expires: Date | undefined
  readonly revoked: 'hard' | 'soft' | undefined
  readonly problem: CertificateProblem | undefined
}

/** What was found out about a key, and from when to when it stays so. */
const known = new WeakMap<
  Key,
  { readonly from: number; readonly until: number; readonly validity: Validity }
>()

/** @internal Found out once between two moments at which something about the key begins or ends: it is asked with each message. */
export async function validityOf(key: Key, now: number): Promise<Validity> {
  const last = known.get(key)
  if (last !== undefined && last.from <= now && now < last.until) return last.validity
  const validity = await validityAt(key, now)
  known.set(key, { from: now, until: nextChange(key, now), validity })
  return validity
}

async function validityAt(key: Key, now: number): Promise<Validity> {
  const date = dateFor(key, now)
  const revoked = await revocationOf(key, date)
  return {
    userIds: await userIdsOf(key, date),
    expires: await expiryOf(key),
    revoked,
    problem: revoked === undefined ? await problemOf(key, date) : 'certificate-revoked',
  }
}

/**
 * @internal Now, or a little later where the clock of the owner is ahead of ours: a key that was made a minute from now can be
 * used now.
 */
export function dateFor(key: Key, now: number): Date {
  return new Date(Math.max(now, ...timesOf(key).filter((time) => time <= now + CLOCK_TOLERANCE_MS)))
}

/** @internal Now, but not before what our own key says of itself: it is our clock that is late, then or now. */
export function signingDate(key: Key, now: number): Date {
  return new Date(Math.max(now, ...timesOf(key)))
}

/** The next time that something begins, by our clock or by one that is ahead, or ends. */
function nextChange(key: Key, now: number): number {
  const begins = timesOf(key).flatMap((time) => [time - CLOCK_TOLERANCE_MS, time])
  const ends = componentsOf(key).flatMap(({ head, signatures }) =>
    signatures.flatMap(({ created, signatureExpirationTime, keyExpirationTime }) => [
      (created?.getTime() ?? 0) + (signatureExpirationTime ?? 0) * 1000,
      isUserId(head) ? 0 : head.getCreationTime().getTime() + (keyExpirationTime ?? 0) * 1000,
      key.getCreationTime().getTime() + (keyExpirationTime ?? 0) * 1000,
    ]),
  )
  return Math.min(...[...begins, ...ends].filter((time) => time > now))
}

function timesOf(key: Key): readonly number[] {
  return componentsOf(key).flatMap(({ head, signatures }) => [
    ...(isUserId(head) ? [] : [head.getCreationTime().getTime()]),
    ...signatures.map(({ created }) => created?.getTime() ?? 0),
  ])
}

/** Hard ones count from the beginning of time (RFC 9580 §5.2.3.31); old hashes are good enough to revoke. */
async function revocationOf(key: Key, date: Date): Promise<'hard' | 'soft' | undefined> {
  let found: 'soft' | undefined
  for (const signature of key.revocationSignatures) {
    const { created, reasonForRevocationFlag: reason } = signature
    if (created === null) continue
    try {
      const type = enums.signature.keyRevocation
      await signature.verify(key.keyPacket, type, { key: key.keyPacket }, created, false, LENIENT)
    } catch {
      continue
    }
    if (reason !== enums.reasonForRevocation.keyRetired && reason !== enums.reasonForRevocation.keySuperseded)
      return 'hard'
    if (created <= date) found = 'soft'
  }
  return found
}

/** `getUserIDs` of openpgp lists those too that nobody has signed, which anybody can add. */
async function userIdsOf(key: Key, date: Date): Promise<readonly string[]> {
  const verdicts = await Promise.all(
    key.users.map(async (user) =>
      user.userID !== null && (await isSettled(user.verify(date, STRICT))) ? [user.userID.userID] : [],
    ),
  )
  return [...new Set(verdicts.flat())]
}

async function expiryOf(key: Key): Promise<Date | undefined> {
  const expires = await key.getExpirationTime(undefined, LENIENT)
  return expires instanceof Date ? expires : undefined
}

async function problemOf(key: Key, date: Date): Promise<CertificateProblem | undefined> {
  if ((await failureOf(key, date, STRICT)) === undefined) return undefined
  const failure = await failureOf(key, date, LENIENT)
  if (failure === undefined || UNSUPPORTED.test(failure)) return 'algorithm-refused'
  if (timesOf(key).every((time) => time > date.getTime())) return 'certificate-expired'
  // `null` is any time: what is good then is good no more.
  if ((await failureOf(key, null, STRICT)) === undefined) return 'certificate-expired'
  if ((await failureOf(key, null, LENIENT)) === undefined) return 'algorithm-refused'
  const hasUser = await isSettled(key.getPrimaryUser(date, undefined, LENIENT))
  return hasUser || key.keyPacket.version === 6 ? 'encryption-key-missing' : 'user-id-missing'
}

/** Why there is no key to encrypt to. */
async function failureOf(key: Key, date: Date | null, config: Config): Promise<string | undefined> {
  try {
    await key.getEncryptionKey(undefined, date, undefined, config)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
}

async function isSettled(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  )
}
