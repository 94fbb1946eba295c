/** Contenders at the same work, in turns. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

export interface Contender {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
}

export interface Row {
  /** As contenders know it. */
  readonly row: string
  /** For people. */
  readonly title: string
  /** What ours may take, as a part of what the contender of that name takes. */
  readonly goals?: Readonly<Record<string, number>>
  /** Microseconds of CPU time that each contender works in one round, at least once. Default: 200 000. */
  readonly budget?: number
}

/** Microseconds of CPU time for each time, one figure a round. */
export interface Result {
  readonly contender: string
  readonly perTime: readonly number[]
}

const BUDGET = 200_000
/** Microseconds: V8 compiles what runs often in steps, the last after some hundred milliseconds. */
const WARM_UP = 1_000_000

/**
 * All contenders at one row: first each is given time to get warm, which also shows how often it fits into a round;
 * then every round has all of them, in another order each time, so that what else the machine does hits all alike.
 */
export async function contest(
  contenders: readonly RunningContender[],
  { row, budget = BUDGET }: Row,
  rounds: number,
): Promise<readonly Result[]> {
  const entries = []
  for (const contender of contenders) {
    entries.push({ contender, count: await countFor(contender, row, budget), perTime: [] as number[] })
  }
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < entries.length; i++) {
      const { contender, count, perTime } = entries[(i + round) % entries.length]!
      perTime.push((await contender.run(row, count)) / count)
    }
  }
  return entries.map(({ contender, perTime }) => ({ contender: contender.name, perTime }))
}

/** Doubles until a run takes a good part of the budget and everything has run for long enough to be compiled. */
async function countFor(contender: RunningContender, row: string, budget: number): Promise<number> {
  let warm = 0
  for (let count = 1; ; count *= 2) {
    const used = await contender.run(row, count)
    warm += used
    if (used >= budget / 2 && warm >= WARM_UP) return Math.max(1, Math.round((count * budget) / used))
  }
}

/** A contender that waits for work. */
export class RunningContender {
  readonly name: string
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  constructor({ name, command, args }: Contender) {
    this.name = name
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** The microseconds of CPU time that so many times took. */
  async run(row: string, count: number): Promise<number> {
    this.#child.stdin.write(`${row} ${count}\n`)
    const { done, value } = await this.#lines.next()
    if (done) throw new Error(`${this.name} has ended in row "${row}"`)
    return Number(value)
  }

  end(): void {
    this.#child.stdin.end()
  }
}
