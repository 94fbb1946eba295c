/**
 * Messages that were settled: a server that gives one again, under whatever id, gives a duplicate. A name is the time at which
 * the message was written, by its author, and a hash of what was signed and by whom.
 */
import { hex } from '@xmpp-e2e/xml'
import { type Account, change } from '../account.ts'
import { records } from '../record.ts'
import { utf8 } from '../utf8.ts'

/** How long they are remembered, in milliseconds: 90 days. An older message that comes live is marked by its time. */
export const SEEN_MS = 7_776_000_000
/** Those that are settled in one commit. */
const SETTLED_AT_ONCE = 100

declare const crypto: {
  readonly subtle: { digest(algorithm: string, data: Uint8Array): Promise<ArrayBuffer> }
}

/** @internal */
export async function refOf(signer: string | undefined, content: Uint8Array, time: Date): Promise<string> {
  const whose = utf8(`${signer ?? ''}\n`)
  const bytes = new Uint8Array(whose.length + content.length)
  bytes.set(whose)
  bytes.set(content, whose.length)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return `${day(time.getTime())}-${hex.encode(digest.slice(0, 16))}`
}

/** `2026-01-31`: sorts as time does. */
function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

const REF = /^\d{4}-\d\d-\d\d-[0-9a-f]{32}$/

/** @internal */
export async function isSettled({ store }: Account, ref: string): Promise<boolean> {
  const [reading] = await store.read([records.seen(ref)])
  return reading?.value !== undefined
}

/** @internal @throws RangeError for what is no `ref` */
export async function settle(account: Account, refs: readonly string[]): Promise<void> {
  for (const [i, ref] of refs.entries()) if (!REF.test(ref)) throw new RangeError(`refs[${i}]: not a ref`)
  const unique = [...new Set(refs)]
  for (let i = 0; i < unique.length; i += SETTLED_AT_ONCE) {
    const names = unique.slice(i, i + SETTLED_AT_ONCE).map(records.seen)
    await change(account, names, (values) => ({
      put: names.flatMap((name, i) => (values[i] === undefined ? [[name, new Uint8Array(0)] as const] : [])),
      result: undefined,
    }))
  }
}

/** @internal Forgets what is older. When there is something to forget next. */
export async function forgetSeen(account: Account): Promise<Date | undefined> {
  const { entries } = await account.store.list(records.allSeen)
  const oldest = day(account.clock.now() - SEEN_MS)
  const refs = entries.map(([name]) => name.slice(records.allSeen.length)).sort()
  const old = refs.filter((ref) => ref.slice(0, oldest.length) < oldest).map(records.seen)
  for (let i = 0; i < old.length; i += SETTLED_AT_ONCE) {
    const names = old.slice(i, i + SETTLED_AT_ONCE)
    await change(account, names, () => ({ delete: names, result: undefined }))
  }
  const next = refs[old.length]
  return next === undefined
    ? undefined
    : new Date(Date.parse(next.slice(0, oldest.length)) + SEEN_MS + 86_400_000)
}
