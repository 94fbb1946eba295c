/**
 * This project and its peers on the same work, in one run.
 *
 *     node dist/main.js [--json] [--rounds=9] [row …]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { contest } from './contest.ts'
import { imports } from './imports/suite.ts'
import { otr } from './otr/suite.ts'
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

const directory = mkdtempSync(join(tmpdir(), 'bench-'))
const reports: Report[] = []
try {
  for (const { title, contenders, rows } of [await otr(directory), ...imports()]) {
    for (const row of rows.filter(({ row }) => positionals.length === 0 || positionals.includes(row))) {
      const report = reportOf(title, row, await contest(contenders, row, rounds))
      reports.push(report)
      say(formatReport(report))
    }
  }
} finally {
  rmSync(directory, { recursive: true })
}
if (values.json) console.log(JSON.stringify({ ...machine(), rounds, reports }, undefined, 2))
if (reports.some(({ figures }) => figures.some(({ held }) => held === false))) process.exitCode = 1
