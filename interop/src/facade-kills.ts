/** A device that is killed again and again while it sends and receives: the same for each durable store. */
import { equal } from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import type { DiskStore } from './disk-stores.ts'
import type { FacadeProgram } from './facade-program.ts'
import { isEnd, type Peer, Witness, WORKER } from './facade-witness.ts'
import { JsonLines } from './json-lines.ts'

/** Where the store of a device is, and the program that runs it. */
export interface Place {
  readonly kind: DiskStore
  readonly directory: string
  readonly program: FacadeProgram
}

/** So often it announces itself, which it does at each start otherwise. */
const STARTS = 10

export async function startWorker(
  witness: Witness,
  { kind, directory, program }: Place,
  name: string,
  resource = 'worker',
): Promise<Peer> {
  const jid = `${witness.service.account(WORKER)}/${resource}`
  const worker = await JsonLines.start(process.execPath, [program.file, kind, directory, name, jid])
  return witness.attach(worker, resource)
}

/**
 * Kills it with SIGKILL so often, each time after a few acknowledgements and anywhere between two of them.
 *
 * @returns what was acknowledged
 * @throws {AssertionError} when something is lost, or comes twice, or cannot be read
 */
export async function killAgainAndAgain(
  place: Place,
  kills: number,
): Promise<{ heard: number; said: number }> {
  const name = `${place.kind} kills`
  const witness = await Witness.start()
  let first: number | undefined
  for (let kill = 0; kill <= kills; kill++) {
    const isLast = kill === kills
    const peer = await startWorker(witness, place, name)
    const { worker } = peer
    try {
      if (kill % STARTS === 0) await worker.request('start', {})
      const { device } = await worker.request<{ device: number }>('device', {})
      first ??= device
      equal(device, first)
      await witness.compare(peer)
      const last = isLast ? 20 : randomInt(12)
      let isDue = false
      const conversing = witness.converse(peer, (acks) => {
        if (acks < last) return false
        if (isLast) return true
        if (!isDue) setTimeout(() => process.kill(worker.pid!, 'SIGKILL'), randomInt(10))
        isDue = true
        return false
      })
      if (isLast) {
        await conversing
        await witness.compare(peer)
      } else
        await conversing.catch((error: unknown) => {
          if (!isEnd(error)) throw error
        })
    } finally {
      await worker.stop()
    }
  }
  await witness.close()
  return { heard: witness.heard, said: witness.said.size }
}
