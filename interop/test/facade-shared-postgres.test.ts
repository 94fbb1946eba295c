/** One device in two processes, which share a store on PostgreSQL and write at the same time. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Place, startWorker } from '../src/facade-kills.ts'
import { buildFacadeProgram, type FacadeProgram } from '../src/facade-program.ts'
import { type Peer, Witness } from '../src/facade-witness.ts'
import { type PostgresServer, startPostgres } from '../src/postgres-server.ts'

let program: FacadeProgram
let server: PostgresServer
let place: Place
beforeAll(async () => {
  program = await buildFacadeProgram()
  server = await startPostgres()
  place = { kind: 'postgres', directory: server.host, program }
})
afterAll(async () => {
  await server?.stop()
  await program?.remove()
})

test('two processes are one device, and lose none of 400 messages', async () => {
  const witness = await Witness.start()
  const peers: Peer[] = []
  try {
    for (const resource of ['one', 'two']) peers.push(await startWorker(witness, place, 'shared', resource))
    const workers = peers.map(({ worker }) => worker)
    await Promise.all(workers.map((worker) => worker.request('start', {})))
    const found = await Promise.all(workers.map((worker) => worker.request<{ device: number }>('device', {})))
    expect(new Set(found.map(({ device }) => device)).size).toBe(1)
    let left = 400
    const line = async (peer: Peer): Promise<void> => {
      while (left-- > 0)
        if (left % 2 === 0) await witness.hear(peer, await witness.write())
        else await witness.ask(peer, `message ${left}`)
    }
    await Promise.all(peers.flatMap((peer) => [line(peer), line(peer)]))
    for (const peer of peers) await witness.compare(peer)
    const { heard, said, came, unheard } = witness
    expect([heard, said.size, came.size, unheard.size]).toEqual([200, 200, 200, 0])
  } finally {
    for (const { worker } of peers) await worker.stop()
    await witness.close()
  }
})
