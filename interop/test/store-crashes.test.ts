/**
 * A process with one end of a ratchet session in a store is killed again and again, while the other end, in this
 * process, goes on. What was acknowledged must be there afterwards, whole, and no message key may be used twice.
 */
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { axolotl, type Namespace, omemo2 } from '@xmpp-e2e/omemo'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DiskStore, openStore } from '../src/disk-stores.ts'
import { JsonLines, PeerError } from '../src/json-lines.ts'
import { type PostgresServer, startPostgres } from '../src/postgres-server.ts'
import { type End, freshEnds, type Journal, type Letter, open, place, seal } from '../src/ratchet.ts'

const KILLS = 50
/** In milliseconds: a minute or two on a quiet machine, of which most is starting processes. */
const PATIENCE = 900_000
/** Requests that are under way at once, so that one always is when the process is killed. */
const WINDOW = 4

const WORKER = fileURLToPath(new URL('../dist/ratchet-worker.js', import.meta.url))

let directory: string
let server: PostgresServer
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xmpp-e2e-crashes-'))
  server = await startPostgres()
})
afterAll(async () => {
  await server?.stop()
  await rm(directory, { recursive: true, force: true })
})

const locate = (kind: DiskStore): string => (kind === 'postgres' ? server.host : directory)

/** The end that keeps running, and all that it knows of the other one. */
class Witness {
  #end: End
  #letters = 0
  readonly #unsaid = new Set<string>()
  /** What it wrote and has no acknowledgement of. */
  readonly unheard = new Map<string, { readonly letter: Letter; readonly body: string }>()
  /** What the other end has acknowledged, by the number or the id of the message. */
  readonly sent = new Map<number, string>()
  readonly received = new Map<string, string>()

  constructor(end: End) {
    this.#end = end
  }

  write(): string {
    const id = `${++this.#letters}`
    const body = `to the worker, ${id}`
    const { end, letter } = seal(this.#end, body)
    this.#end = end
    this.unheard.set(id, { letter, body })
    return id
  }

  /** A key that was used before is an error here. */
  read(n: number, letter: Letter, body: string): void {
    const opened = open(this.#end, letter)
    this.#end = opened.end
    expect(opened.body).toBe(body)
    expect(this.sent.has(n)).toBe(false)
    this.sent.set(n, body)
  }

  async hear(worker: JsonLines, id: string): Promise<void> {
    const { letter, body } = this.unheard.get(id)!
    expect(await worker.request('receive', { key: id, letter })).toBe(body)
    this.unheard.delete(id)
    this.received.set(id, body)
  }

  async ask(worker: JsonLines, body: string): Promise<void> {
    const { n, letter } = await worker.request<{ n: number; letter: Letter }>('send', { body })
    this.read(n, letter, body)
  }

  /**
   * All that was acknowledged is there, and nothing else but what was under way when the process ended: at most so
   * much. Says how much that is.
   */
  compare({ sent, received }: Journal, underWay: number): number {
    for (const [n, body] of this.sent) expect(sent[n]).toBe(body)
    for (const [id, body] of this.received) expect(received[id]).toBe(body)
    const unsaid = Object.keys(sent).filter((n) => !this.sent.has(Number(n)) && !this.#unsaid.has(n))
    const unheard = Object.keys(received).filter((id) => !this.received.has(id))
    for (const id of unheard) expect(received[id]).toBe(this.unheard.get(id)?.body)
    for (const n of unsaid) this.#unsaid.add(n)
    expect(Object.keys(sent).map(Number)).toEqual(Object.keys(sent).map((_, i) => i))
    expect(unsaid.length + unheard.length).toBeLessThanOrEqual(underWay)
    return unsaid.length + unheard.length
  }
}

const start = (kind: DiskStore, name: string) =>
  JsonLines.start(process.execPath, [WORKER, kind, locate(kind), name])

/** Ends when `enough` says so, or when the process has ended. */
async function converse(
  worker: JsonLines,
  witness: Witness,
  enough: (acks: number) => boolean,
): Promise<void> {
  let acks = 0
  const waiting = [...witness.unheard.keys()]
  const line = async (): Promise<void> => {
    while (!enough(acks)) {
      const again = waiting.shift()
      if (again !== undefined) await witness.hear(worker, again)
      else if (randomInt(2) === 0) await witness.hear(worker, witness.write())
      else await witness.ask(worker, `from the worker, ${randomInt(2 ** 32)}`)
      acks++
    }
  }
  await Promise.all(Array.from({ length: WINDOW }, line))
}

const lines: [DiskStore, Namespace][] = [
  ['level', omemo2.namespace],
  ['libsql', axolotl.namespace],
  ['postgres', omemo2.namespace],
]

describe.concurrent.each(lines)('%s', (kind, namespace) => {
  test(
    `${KILLS} times kill -9: nothing torn, nothing lost, no key twice`,
    async () => {
      const [ours, theirs] = freshEnds(namespace)
      const name = `${kind} crashes`
      const first = await openStore(kind, locate(kind), name)
      await place(first.store, theirs)
      await first.close()

      const witness = new Witness(ours)
      let unsaid = 0
      for (let kill = 0; kill < KILLS; kill++) {
        const worker = await start(kind, name)
        try {
          const found = await worker.request<Journal>('journal', {})
          unsaid += witness.compare(found, WINDOW)
          const last = randomInt(40)
          let due = false
          await converse(worker, witness, (acks) => {
            if (acks >= last && !due) {
              due = true
              // Anywhere between two acknowledgements.
              setTimeout(() => process.kill(worker.pid!, 'SIGKILL'), randomInt(5))
            }
            return false
          }).catch((error: unknown) => {
            if (!(error instanceof PeerError && error.code === 'exited')) throw error
          })
        } finally {
          await worker.stop()
        }
      }

      // The session has outlived it all.
      const worker = await start(kind, name)
      await converse(worker, witness, (acks) => acks >= 20)
      witness.compare(await worker.request<Journal>('journal', {}), 0)
      await worker.stop()
      console.log(
        `${kind}: ${KILLS} kills, ${witness.sent.size + witness.received.size} acknowledged, ` +
          `${unsaid} written and not acknowledged`,
      )
    },
    PATIENCE,
  )
})

const shared: [DiskStore, number][] = [
  ['postgres', 2000],
  ['libsql', 400],
]

test.each(shared)(
  '%s: two processes share one session, and lose none of %i messages',
  async (kind, messages) => {
    const [ours, theirs] = freshEnds(omemo2.namespace)
    const name = `${kind} shared`
    const first = await openStore(kind, locate(kind), name)
    await place(first.store, theirs)
    await first.close()
    const witness = new Witness(ours)
    const workers = await Promise.all([start(kind, name), start(kind, name)])
    let left = messages
    const line = async (worker: JsonLines): Promise<void> => {
      while (left-- > 0)
        if (left % 2 === 0) await witness.hear(worker, witness.write())
        else await witness.ask(worker, `${left}`)
    }
    try {
      await Promise.all(workers.flatMap((worker) => [line(worker), line(worker)]))
      const half = messages / 2
      for (const worker of workers) {
        const found = await worker.request<Journal>('journal', {})
        expect(Object.keys(found.sent).length).toBe(half)
        expect(Object.keys(found.received).length).toBe(half)
        witness.compare(found, 0)
      }
      expect([witness.sent.size, witness.received.size, witness.unheard.size]).toEqual([half, half, 0])
    } finally {
      for (const worker of workers) await worker.stop()
    }
  },
  PATIENCE,
)
