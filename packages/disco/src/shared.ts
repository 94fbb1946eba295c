/** One run for all that ask for the same at once. */

import { ConnectionError, type Signal } from '@xmpp-e2e/xml'

export type Shared<T> = (key: string, run: () => Promise<T>, signal?: Signal) => Promise<T>

/** A caller's signal ends that caller's waiting, and nobody else's; one that is aborted already starts nothing. */
export function shared<T>(): Shared<T> {
  const running = new Map<string, Promise<T>>()
  return (key, run, signal) => {
    if (signal?.aborted) return Promise.reject(aborted(signal))
    let promise = running.get(key)
    if (!promise) {
      const started = run()
      promise = started
      running.set(key, started)
      const end = () => running.delete(key)
      started.then(end, end)
    }
    return signal ? abortable(promise, signal) : promise
  }
}

const aborted = ({ reason }: Signal): ConnectionError =>
  new ConnectionError('aborted', 'aborted', { cause: reason })

function abortable<T>(promise: Promise<T>, signal: Signal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(aborted(signal))
    signal.addEventListener('abort', onAbort)
    const end = () => signal.removeEventListener('abort', onAbort)
    promise.then(resolve, reject).then(end, end)
  })
}
