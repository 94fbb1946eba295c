/**
 * Each change of secret keys is one commit, on what it was computed from. Another tab that has changed a key meanwhile does not
 * lose its change: it is computed again.
 */
import { type Account, change } from '../account.ts'
import type { Bytes } from '../bytes.ts'
import type { OxEvent } from '../event.ts'
import type { SecretKey } from '../openpgp/secret-key.ts'
import { records } from '../record.ts'
import { infoOf, isSame, type OwnKey } from './own-keys.ts'
import { decodeSelf, encodeSelf, type Self } from './self.ts'

/** @internal */
export interface Rewrite {
  /** What it was computed from; `undefined` of a key that was not here. */
  readonly before: SecretKey | undefined
  readonly after: SecretKey
}

/** @internal Computes until nothing has changed meanwhile, and stores all in one commit. */
export async function rewrite(
  account: Account,
  plan: () => Promise<readonly Rewrite[]>,
  next: (self: Self, rewrites: readonly Rewrite[]) => Self = (self) => self,
): Promise<readonly OwnKey[]> {
  for (;;) {
    const rewrites = await plan()
    const done = await commit(account, rewrites, next)
    if (done === undefined) continue
    for (const { after } of rewrites) if (!after.isLocked) account.own.adopt(after)
    await account.own.self()
    return done
  }
}

/** `undefined`, and nothing is stored, when something else is there than what it was computed from. */
function commit(
  account: Account,
  rewrites: readonly Rewrite[],
  next: (self: Self, rewrites: readonly Rewrite[]) => Self,
): Promise<readonly OwnKey[] | undefined> {
  const names = rewrites.map(({ after }) => records.own(after.certificate.fingerprint))
  return change(account, [records.self, ...names], async ([bytes, ...stored], reader) => {
    // What was under way when the façade was closed, or erased, leaves no key behind.
    if (account.closing.aborted) throw account.closing.reason
    const isStale = rewrites.some(({ before }, i) => !isSameOrAbsent(before?.bytes, stored[i]))
    if (isStale) return { result: undefined }
    const before = decodeSelf(bytes)
    const self = next(before, rewrites)
    const isNew = rewrites.some((one) => one.before === undefined) || self.backedUp !== before.backedUp
    const all = [...(await reader.list(records.allOwn)).map(([name]) => name), ...names]
    const isBackedUp = (name: string) =>
      self.backedUp.some((fingerprint) => records.own(fingerprint) === name)
    const isStaleBackup = isNew && self.backedUp.length > 0 && !all.every(isBackedUp)
    const events: readonly OxEvent[] = isStaleBackup ? [{ kind: 'backup-stale' }] : []
    return {
      put: [
        [records.self, encodeSelf(self)],
        ...rewrites.map(({ after }, i) => [names[i] as string, after.bytes] as const),
      ],
      events,
      result: rewrites.map(({ after }) => infoOf(after, self)),
    }
  })
}

function isSameOrAbsent(a: Bytes | undefined, b: Bytes | undefined): boolean {
  return a === undefined || b === undefined ? a === b : isSame(a, b)
}
