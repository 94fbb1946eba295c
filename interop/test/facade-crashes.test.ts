/**
 * A process that is a device with the façade is killed again and again, while it sends and receives; its correspondent,
 * in this process, goes on. What was acknowledged must be there afterwards, and no key may be used twice.
 */
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isEnd, type Peer, Witness, WORKER } from '../src/facade-witness.ts'
import { JsonLines } from '../src/json-lines.ts'
import { type PostgresServer, startPostgres } from '../src/postgres-server.ts'

const KILLS = 50
/** In milliseconds: a minute on a quiet machine, of which most is starting processes. */
const PATIENCE = 900_000

const PROGRAM = fileURLToPath(new URL('../dist/facade-worker.js', import.meta.url))

let directory: string
let server: PostgresServer
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xmpp-e2e-facade-'))
  server = await startPostgres()
})
afterAll(async () => {
  await server?.stop()
  await rm(directory, { recursive: true, force: true })
})

type Kind = 'level' | 'postgres'

async function start(witness: Witness, kind: Kind, name: string, resource = 'worker'): Promise<Peer> {
  const place = kind === 'postgres' ? server.host : directory
  const jid = `${witness.service.account(WORKER)}/${resource}`
  return witness.attach(await JsonLines.start(process.execPath, [PROGRAM, kind, place, name, jid]), resource)
}

describe.concurrent.each<Kind>(['level', 'postgres'])('%s', (kind) => {
  test(
    `${KILLS} times kill -9: one device, nothing lost, no key twice`,
    async () => {
      const name = `${kind} crashes`
      const witness = await Witness.start()
      const devices = new Set<number>()
      for (let kill = 0; kill < KILLS; kill++) {
        const peer = await start(witness, kind, name)
        const { worker } = peer
        try {
          devices.add((await worker.request<{ device: number }>('start', {})).device)
          await witness.compare(peer)
          const last = randomInt(20)
          let due = false
          const conversing = witness.converse(peer, (acks) => {
            if (acks >= last && !due) {
              due = true
              // Anywhere between two acknowledgements.
              setTimeout(() => process.kill(worker.pid!, 'SIGKILL'), randomInt(10))
            }
            return false
          })
          await conversing.catch((error: unknown) => {
            if (!isEnd(error)) throw error
          })
        } finally {
          await worker.stop()
        }
      }

      // The device has outlived it all.
      const peer = await start(witness, kind, name)
      try {
        devices.add((await peer.worker.request<{ device: number }>('start', {})).device)
        await witness.converse(peer, (acks) => acks >= 20)
        await witness.compare(peer)
        expect(devices.size).toBe(1)
      } finally {
        await peer.worker.stop()
        await witness.close()
      }
      console.log(`${kind}: ${KILLS} kills, ${witness.heard} heard, ${witness.said.size} said`)
    },
    PATIENCE,
  )
})

test(
  'postgres: two processes are one device, and lose none of 400 messages',
  async () => {
    const name = 'postgres shared'
    const witness = await Witness.start()
    const peers = await Promise.all(
      ['one', 'two'].map((resource) => start(witness, 'postgres', name, resource)),
    )
    try {
      const started = await Promise.all(
        peers.map(({ worker }) => worker.request<{ device: number }>('start', {})),
      )
      expect(new Set(started.map(({ device }) => device)).size).toBe(1)
      let left = 400
      const line = async (peer: Peer): Promise<void> => {
        while (left-- > 0)
          if (left % 2 === 0) await witness.hear(peer, await witness.write())
          else await witness.ask(peer, `message ${left}`)
      }
      await Promise.all(peers.flatMap((peer) => [line(peer), line(peer)]))
      for (const peer of peers) await witness.compare(peer)
      expect([witness.heard, witness.said.size, witness.came.size, witness.unheard.size]).toEqual([
        200, 200, 200, 0,
      ])
    } finally {
      for (const { worker } of peers) await worker.stop()
      await witness.close()
    }
  },
  PATIENCE,
)
