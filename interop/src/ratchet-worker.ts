/**
 * A process that has one end of a ratchet session in a durable store, to be killed at any time: JSON lines, as
 * `json-lines.ts` says. An answer to `send` or `receive` means that it was committed.
 *
 *     node ratchet-worker.js <store> <directory> <name>
 */
import { createInterface } from 'node:readline'
import { StoreError } from '@xmpp-e2e/store'
import { openStore, STORES } from './disk-stores.ts'
import { journal, type Letter, receive, send } from './ratchet.ts'

/**
 * How often a request is made again that has lost every race of an update, which writes nothing: a process that is given
 * less of the processor can lose 32 in a row to one that never pauses, but not as many again each time.
 */
const TRIES = 10

interface Request {
  readonly id: number
  readonly op: 'send' | 'receive' | 'journal'
  readonly body: string
  readonly key: string
  readonly letter: Letter
}

const [kind, directory = '', name = ''] = process.argv.slice(2)
const known = STORES.find((each) => each === kind)
if (!known) throw new Error(`store: ${kind} is none`)
const { store, close } = await openStore(known, directory, name)

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)

async function settled(request: Request): Promise<unknown> {
  for (let tries = 1; ; tries++)
    try {
      return await answer(request)
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'conflict') || tries === TRIES) throw error
    }
}

async function answer({ op, body, key, letter }: Request): Promise<unknown> {
  switch (op) {
    case 'send':
      return send(store, body)
    case 'receive':
      return receive(store, key, letter)
    case 'journal':
      return journal(store)
  }
}

// One at a time, as a client does per account.
let last: Promise<unknown> = Promise.resolve()
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const request: Request = JSON.parse(line)
    last = last
      .then(() => settled(request))
      .then(
        (result) => say({ id: request.id, result }),
        (error) => say({ id: request.id, error: error.code ?? error.name, message: reason(error) }),
      )
  })
  .on('close', () => last.then(close))
say({ ready: true })

function reason(error: Error): string {
  const causes = error.cause instanceof AggregateError ? error.cause.errors : []
  return [error.message, ...causes.map(String)].join('; ')
}
