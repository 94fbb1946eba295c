/** The beginning of a session, to wait for. */
import type { Connection, Signal } from './connection.ts'

/** Resolves when there is a session, perhaps at once; rejects with the reason of whichever signal aborts first. */
export async function untilSession(
  connection: Connection,
  signals: readonly (Signal | undefined)[],
): Promise<void> {
  if (connection.jid !== undefined) return
  const cleanups: (() => void)[] = []
  await new Promise<void>((resolve, reject) => {
    cleanups.push(connection.subscribe({ session: (state) => state !== 'lost' && resolve() }))
    for (const signal of signals) {
      if (signal === undefined) continue
      const abort = () => reject(signal.reason)
      if (signal.aborted) abort()
      signal.addEventListener('abort', abort)
      cleanups.push(() => signal.removeEventListener('abort', abort))
    }
  }).finally(() => {
    for (const cleanup of cleanups) cleanup()
  })
}
