/**
 * This project and its peers on the same work, in one run.
 *
 *     node dist/main.js [--json] [--rounds=9] [suite | suite/row …]
 *
 * It fails when a goal is missed, or a peer is not there.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { contest, type Suite } from './contest.ts'
import { importOmemo, importOtr } from './imports/suite.ts'
import { omemo } from './omemo/suite.ts'
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
const suites: Readonly<Record<string, () => Suite | Promise<Suite>>> = {
  otr: () => otr(directory),
  omemo: () => omemo,
  'import-otr': importOtr,
  'import-omemo': importOmemo,
}
const wanted = positionals.length === 0 ? Object.keys(suites) : positionals
const reports: Report[] = []
try {
  for (const [name, open] of Object.entries(suites)) {
    if (!wanted.some((each) => each.split('/')[0] === name)) continue
    const { title, contenders, rows } = await open()
    for (const row of rows) {
      if (!wanted.includes(name) && !wanted.includes(`${name}/${row.row}`)) continue
      const report = reportOf(title, row, await contest(contenders, row, rounds))
      reports.push(report)
      say(formatReport(report))
    }
  }
  if (reports.length === 0)
    throw new RangeError(`nothing to do: expected some of ${Object.keys(suites).join(', ')}`)
} finally {
  rmSync(directory, { recursive: true })
}
if (values.json) console.log(JSON.stringify({ ...machine(), rounds, reports }, undefined, 2))
if (reports.some(({ figures }) => figures.some(({ held }) => held === false))) process.exitCode = 1
