/** Figures for people and for programs. */
import { cpus } from 'node:os'
import type { Result, Row } from './contest.ts'

/** Of what was measured in rounds. */
export interface Range {
  readonly median: number
  readonly low: number
  readonly high: number
}

export interface Figure extends Range {
  readonly contender: string
  /** Ours divided by this, round by round. */
  readonly ratio?: Range
  readonly goal?: number
  readonly held?: boolean
}

export interface Report {
  readonly suite: string
  readonly title: string
  /** Figures are microseconds of CPU time. */
  readonly figures: readonly Figure[]
}

export const machine = () => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cpus: cpus().length,
  node: process.version,
  v8: process.versions.v8,
  platform: `${process.platform} ${process.arch}`,
})

/** The first result is ours. */
export function reportOf(
  suite: string,
  { title, goals = {} }: Row,
  [ours, ...others]: readonly Result[],
): Report {
  if (ours === undefined) throw new RangeError('results: expected ours')
  const figures = others.map(({ contender, perThing }) => {
    const ratio = rangeOf(ours.perThing.map((time, round) => time / perThing[round]!))
    const goal = goals[contender]
    const judged = goal === undefined ? {} : { goal, held: ratio.median <= goal }
    return { contender, ...rangeOf(perThing), ratio, ...judged }
  })
  return { suite, title, figures: [{ contender: ours.contender, ...rangeOf(ours.perThing) }, ...figures] }
}

export function rangeOf(figures: readonly number[]): Range {
  const sorted = [...figures].sort((a, b) => a - b)
  const at = (part: number) => sorted[Math.round(part * (sorted.length - 1))]!
  const middle = sorted.length / 2
  const median = Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : at(0.5)
  return { median, low: at(0), high: at(1) }
}

const HEADS = ['', 'median', 'range', 'ours is', 'in rounds', 'goal']

export function formatReport({ suite, title, figures }: Report): string {
  const rows = figures.map(({ contender, median, low, high, ratio, goal, held }) => [
    contender,
    formatTime(median),
    `${formatTime(low)} … ${formatTime(high)}`,
    ratio ? formatRatio(ratio.median) : '',
    ratio ? `${formatRatio(ratio.low)} … ${formatRatio(ratio.high)}` : '',
    goal === undefined ? '' : `≤ ${formatRatio(goal)}: ${held ? 'held' : 'MISSED'}`,
  ])
  const table = [HEADS, ...rows]
  const widths = HEADS.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  const lines = table.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  )
  return [`${suite}: ${title}`, ...lines.map((line) => `  ${line.trimEnd()}`)].join('\n')
}

/** Three digits: 48.3 µs, 5.87 ms, 1.2 s. */
function formatTime(microseconds: number): string {
  if (microseconds < 1000) return `${Number(microseconds.toPrecision(3))} µs`
  if (microseconds < 1_000_000) return `${Number((microseconds / 1000).toPrecision(3))} ms`
  return `${Number((microseconds / 1_000_000).toPrecision(3))} s`
}

/** 1.42×, or 1/13.2. */
function formatRatio(ratio: number): string {
  return ratio >= 0.5 ? `${Number(ratio.toPrecision(3))}×` : `1/${Number((1 / ratio).toPrecision(3))}`
}
