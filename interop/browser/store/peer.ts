/** A store of this origin that another page or a worker holds open: each call of it travels there and back. */

import type { Batch, Store } from '@xmpp-e2e/store'

interface Call {
  readonly kind: 'call'
  readonly id: number
  /** Of the database. */
  readonly name: string
  readonly method: keyof Store
  readonly given: readonly unknown[]
}

interface Answer {
  readonly kind: 'answer'
  readonly id: number
  readonly result?: unknown
  /** Classes do not travel. */
  readonly error?: { readonly name: string; readonly message: string }
}

/** A `BroadcastChannel`, or one end of a worker. */
export interface Line {
  postMessage(message: Call | Answer): void
  addEventListener(type: 'message', f: (event: { readonly data: unknown }) => void): void
}

const isCall = (message: unknown): message is Call => (message as Call).kind === 'call'
const isAnswer = (message: unknown): message is Answer => (message as Answer).kind === 'answer'

/** Answers calls with what `open` opens, which is asked for each database once. */
export function serve(line: Line, open: (name: string) => Promise<Store>): void {
  const opened = new Map<string, Promise<Store>>()
  line.addEventListener('message', ({ data }) => {
    if (!isCall(data)) return
    const { id, name, method, given } = data
    const store = opened.get(name) ?? open(name)
    opened.set(name, store)
    store
      .then((store): Promise<unknown> => Reflect.apply(store[method], store, given))
      .then((result) => line.postMessage({ kind: 'answer', id, result }))
      .catch(({ name, message }: Error) => line.postMessage({ kind: 'answer', id, error: { name, message } }))
  })
}

/** Stores of the page at the other end, by the name of their database. */
export function remote(line: Line): (name: string) => Store {
  const waiting = new Map<number, (answer: Answer) => void>()
  let calls = 0
  line.addEventListener('message', ({ data }) => {
    if (isAnswer(data)) waiting.get(data.id)?.(data)
  })
  const call = async <T>(name: string, method: keyof Store, given: readonly unknown[]): Promise<T> => {
    const id = ++calls
    const answer = await new Promise<Answer>((resolve) => {
      waiting.set(id, resolve)
      line.postMessage({ kind: 'call', id, name, method, given })
    })
    waiting.delete(id)
    if (answer.error) throw Object.assign(new Error(answer.error.message), { name: answer.error.name })
    return answer.result as T
  }
  return (name) => ({
    read: (keys: readonly string[]) => call(name, 'read', [keys]),
    list: (prefix: string) => call(name, 'list', [prefix]),
    commit: (tokens: readonly string[], batch: Batch) => call(name, 'commit', [tokens, batch]),
  })
}
