/**
 * Messages that are over: those that were settled, and those that this client has sent. A server that gives one again, under
 * whatever id, gives nothing new. The name of a message is a hash of what was signed, and by whom.
 */
import { hex } from '@xmpp-e2e/xml'
import { type Account, change } from '../account.ts'
import { OxError } from '../error.ts'
import { records } from '../record.ts'
import { utf8, utf8Text } from '../utf8.ts'

/**
 * How long a message is remembered after it was settled, in milliseconds: 90 days. What comes live after that is marked by
 * its time; what is read from an archive again then is read as for the first time.
 */
export const SEEN_MS = 7_776_000_000
/** Those that are settled in one commit. */
const SETTLED_AT_ONCE = 100
/** Those that were sent and may come back: a room gives them back at once. */
export const MAX_SENT = 1000

const DAY_MS = 86_400_000

declare const crypto: {
  readonly subtle: { digest(algorithm: string, data: Uint8Array): Promise<ArrayBuffer> }
}

/** @internal Half of SHA-256: nobody gains by two messages that share a name but their author, who loses one. */
export async function refOf(signer: string | undefined, content: Uint8Array): Promise<string> {
  const whose = utf8(`${signer ?? ''}\n`)
  const bytes = new Uint8Array(whose.length + content.length)
  bytes.set(whose)
  bytes.set(content, whose.length)
  return hex.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)).slice(0, 16))
}

const REF = /^[0-9a-f]{32}$/

/** @internal */
export function rememberSent({ sent }: Pick<Account, 'sent'>, ref: string): void {
  sent.add(ref)
  for (const oldest of sent) {
    if (sent.size <= MAX_SENT) break
    sent.delete(oldest)
  }
}

/** @internal */
export async function isSettled({ store }: Account, ref: string): Promise<boolean> {
  const [reading] = await store.read([records.seen(ref)])
  return reading?.value !== undefined
}

/** @internal @throws RangeError for what is no `ref` */
export async function settle(account: Account, refs: readonly string[]): Promise<void> {
  for (const [i, ref] of refs.entries()) if (!REF.test(ref)) throw new RangeError(`refs[${i}]: not a ref`)
  const today = utf8(dayOf(account.clock.now()))
  await inBatches(account, [...new Set(refs)].map(records.seen), (names, values) => ({
    put: names.flatMap((name, i) => (values[i] === undefined ? [[name, today] as const] : [])),
  }))
}

/** @internal Forgets what was settled long ago. When there is something to forget next. */
export async function forgetSeen(account: Account): Promise<Date | undefined> {
  const oldest = dayOf(account.clock.now() - SEEN_MS)
  const { entries } = await account.store.list(records.allSeen)
  const days = entries.map(([name, value]) => ({ name, day: dayIn(value) }))
  const old = days.filter(({ day }) => day < oldest).map(({ name }) => name)
  await inBatches(account, old, (names) => ({ delete: names }))
  const [next] = days.flatMap(({ day }) => (day < oldest ? [] : [day])).sort()
  return next === undefined ? undefined : new Date(Date.parse(next) + SEEN_MS + DAY_MS)
}

/** `2026-01-31`: sorts as time does. */
function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

function dayIn(value: Uint8Array): string {
  const day = utf8Text(value)
  if (day === undefined || !/^\d{4}-\d\d-\d\d$/.test(day))
    throw new OxError('state-malformed', 'seen: a day that was damaged')
  return day
}

type Batch = Parameters<Parameters<typeof change<void>>[2]>[0]

async function inBatches(
  account: Account,
  all: readonly string[],
  f: (
    names: readonly string[],
    values: Batch,
  ) => {
    readonly put?: readonly (readonly [string, Uint8Array])[]
    readonly delete?: readonly string[]
  },
): Promise<void> {
  for (let i = 0; i < all.length; i += SETTLED_AT_ONCE) {
    const names = all.slice(i, i + SETTLED_AT_ONCE)
    await change(account, names, (values) => ({ ...f(names, values), result: undefined }))
  }
}
