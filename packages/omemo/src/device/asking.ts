/** Asking many accounts at once, but not all of them. */
import { PepError, type PepErrorCode } from '@xmpp-e2e/disco/pep'
import type { Signal } from '@xmpp-e2e/store'

/**
 * Requests under way at once: a room of 500 members takes 1000 for their lists, 63 round trips. Servers count stanzas of a
 * burst, and some take more for a flood.
 */
export const ASKED_AT_ONCE = 16

/** Milliseconds: a person waits for the slowest answer before a message leaves. */
export const ASK_TIMEOUT_MS = 20_000

/**
 * @internal Does `work` on all tasks, `ASKED_AT_ONCE` at a time, and gives the results in their order. What is to hold up
 * no other task must be a result, not a rejection.
 *
 * @throws the signal's reason; what `work` rejects with first
 */
export async function inParallel<T, R>(
  tasks: readonly T[],
  work: (task: T) => Promise<R>,
  signal: Signal | undefined,
): Promise<readonly R[]> {
  const results: R[] = []
  const rest = tasks.entries()
  let hasFailed = false
  const worker = async (): Promise<void> => {
    for (const [i, task] of rest) {
      if (signal?.aborted) throw signal.reason
      if (hasFailed) return
      try {
        results[i] = await work(task)
      } catch (error) {
        hasFailed = true
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(ASKED_AT_ONCE, tasks.length) }, worker))
  return results
}

/** @internal The code of what a request was refused with. @throws the error, when it is none of PEP, or the signal's reason */
export function pepCode(error: unknown, signal: Signal | undefined): PepErrorCode {
  if (signal?.aborted) throw signal.reason
  if (error instanceof PepError) return error.code
  throw error
}
