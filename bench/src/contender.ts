/**
 * The side of a contender: a program that does the same work as others, over and over, and says what CPU time it took.
 *
 *     stdin   "<row> <count>", one a line          stdout   microseconds, user and system, of all threads
 *
 * One process each, so that nobody pays for another's garbage or compiling, and so that a program in C counts alike.
 */
import { createInterface } from 'node:readline'

/** Gets ready for so many times, unmeasured; what it returns is measured. */
export type Row = (count: number) => Work | Promise<Work>
export type Work = () => void | Promise<void>

/** Of work that is measured in pieces: the microseconds that it took itself. */
export const cpuTime = (): number => {
  const { user, system } = process.cpuUsage()
  return user + system
}

export async function serve(rows: Readonly<Record<string, Row>>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const [name = '', count] = line.split(' ')
    const row = rows[name]
    if (row === undefined) throw new RangeError(`no row "${name}"`)
    const work = await row(Number(count))
    const start = cpuTime()
    await work()
    process.stdout.write(`${cpuTime() - start}\n`)
  }
}
