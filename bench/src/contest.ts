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
  /** Measures the first time of a fresh process, nothing compiled yet, instead of what many times take on average. */
  readonly first?: boolean
  /** How many things are done each time, to give the time of one. Default: 1. */
  readonly things?: number
}

/** Contenders at some rows. The first is ours. */
export interface Suite {
  readonly title: string
  readonly contenders: readonly Contender[]
  readonly rows: readonly Row[]
}

/** Microseconds of CPU time for each thing, one figure a round. */
export interface Result {
  readonly contender: string
  readonly perThing: readonly number[]
}

const BUDGET = 200_000
/** Microseconds: V8 compiles what runs often in steps, the last after some hundred milliseconds. */
const WARM_UP = 1_000_000

/**
 * All contenders at one row. Every round has all of them, in another order each time, so that what else the machine
 * does hits all alike.
 */
export async function contest(
  contenders: readonly Contender[],
  row: Row,
  rounds: number,
): Promise<readonly Result[]> {
  const entries = []
  for (const contender of contenders) {
    const { measure, end } = row.first ? firstTime(contender, row) : await manyTimes(contender, row)
    entries.push({ contender: contender.name, measure, end, perThing: [] as number[] })
  }
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < entries.length; i++) {
      const { measure, perThing } = entries[(i + round) % entries.length]!
      perThing.push((await measure()) / (row.things ?? 1))
    }
  }
  for (const { end } of entries) end()
  return entries.map(({ contender, perThing }) => ({ contender, perThing }))
}

interface Measurement {
  /** Microseconds of CPU time of one time. */
  measure(): Promise<number>
  end(): void
}

function firstTime(contender: Contender, { row }: Row): Measurement {
  return {
    async measure() {
      const running = new RunningContender(contender)
      const used = await running.run(row, 1)
      running.end()
      return used
    },
    end() {},
  }
}

/** Gets warm, which also shows how often the work fits into a round: doubles until that is long enough. */
async function manyTimes(contender: Contender, { row, budget = BUDGET }: Row): Promise<Measurement> {
  const running = new RunningContender(contender)
  let warm = 0
  let used = 0
  let count = 1
  for (;;) {
    used = await running.run(row, count)
    warm += used
    if (used >= budget / 2 && warm >= WARM_UP) break
    count *= 2
  }
  const often = Math.max(1, Math.round((count * budget) / used))
  return {
    measure: async () => (await running.run(row, often)) / often,
    end: () => running.end(),
  }
}

/** A contender that waits for work. */
class RunningContender {
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
