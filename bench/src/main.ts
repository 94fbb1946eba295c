/**
 * This project and its peers on the same work, in one run.
 *
 *     node dist/main.js [--json] [--rounds=9] [row …]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { contest, RunningContender } from './contest.ts'
import * as otr from './otr/suite.ts'
import { formatReport, machine, type Report, reportOf } from './report.ts'

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '9' } },
  allowPositionals: true,
})
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('rounds: expected a number of at least 1')

const say = (text: string) => {
  if (!values.json) console.log(`${text}\n`)
}
const { cpu, cpus, node, v8, platform } = machine()
say(`${cpu}, ${cpus} of them; Node ${node}, V8 ${v8}; ${platform}; CPU time, ${rounds} rounds`)
say(otr.title)

const directory = mkdtempSync(join(tmpdir(), 'bench-'))
const reports: Report[] = []
try {
  const contenders = (await otr.contenders(directory)).map((each) => new RunningContender(each))
  for (const row of otr.rows.filter(({ row }) => positionals.length === 0 || positionals.includes(row))) {
    const report = reportOf(row, await contest(contenders, row, rounds))
    reports.push(report)
    say(formatReport(report))
  }
  for (const contender of contenders) contender.end()
} finally {
  rmSync(directory, { recursive: true })
}
if (values.json) console.log(JSON.stringify({ ...machine(), rounds, reports }, undefined, 2))
if (reports.some(({ figures }) => figures.some(({ held }) => held === false))) process.exitCode = 1
