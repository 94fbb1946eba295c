/**
 * A process with one end of a ratchet session in a store is killed again and again, while the other end, in this
 * process, goes on. What was acknowledged must be there afterwards, whole, and no message key may be used twice.
 */
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { axolotl, type Namespace, omemo2 } from '@xmpp-e2e/omemo/primitives'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DiskStore, openStore } from '../src/disk-stores.ts'
import { JsonLines, PeerError } from '../src/json-lines.ts'
import { type PostgresServer, startPostgres } from '../src/postgres-server.ts'
import { freshEnds, type Journal, type Letter, place } from '../src/ratchet.ts'
import { type Peer, WINDOW, Witness } from '../src/ratchet-witness.ts'

const KILLS = 50
/** In milliseconds: a minute or two on a quiet machine, of which most is starting processes. */
const PATIENCE = 900_000

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

const start = (kind: DiskStore, name: string) =>
  JsonLines.start(process.execPath, [WORKER, kind, locate(kind), name])

const peerOf = (worker: JsonLines): Peer => ({
  send: (body) => worker.request<{ n: number; letter: Letter }>('send', { body }),
  receive: (key, letter) => worker.request<string>('receive', { key, letter }),
})

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
          const conversing = witness.converse(peerOf(worker), (acks) => {
            if (acks >= last && !due) {
              due = true
              // Anywhere between two acknowledgements.
              setTimeout(() => process.kill(worker.pid!, 'SIGKILL'), randomInt(5))
            }
            return false
          })
          await conversing.catch((error: unknown) => {
            if (!(error instanceof PeerError && error.code === 'exited')) throw error
          })
        } finally {
          await worker.stop()
        }
      }

      // The session has outlived it all.
      const worker = await start(kind, name)
      unsaid += witness.compare(await worker.request<Journal>('journal', {}), WINDOW)
      await witness.converse(peerOf(worker), (acks) => acks >= 20)
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
        if (left % 2 === 0) await witness.hear(peerOf(worker), witness.write())
        else await witness.ask(peerOf(worker), `${left}`)
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
