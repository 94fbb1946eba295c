/** The conformance kit on Bun and Deno, from what is published. Node runs it in the tests of the package. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { memoryStore } from '@xmpp-e2e/store'
import { conformance } from '@xmpp-e2e/store/conformance'
import { expect, test } from 'vitest'

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))
const KIT = path('dist/store-kit.js')

// The binaries themselves: no install script has to fetch or place anything.
const RUNTIMES = [
  { name: 'Bun', command: path('node_modules/@oven/bun-linux-x64/bin/bun'), args: ['run'] },
  {
    name: 'Deno',
    command: path('node_modules/@deno/linux-x64-glibc/deno'),
    args: ['run', '-A', '--cached-only'],
  },
]

test.runIf(process.platform === 'linux' && process.arch === 'x64')('both runtimes are there', () => {
  expect(RUNTIMES.filter(({ command }) => !existsSync(command))).toEqual([])
})

const present = RUNTIMES.filter(({ command }) => existsSync(command))
const rows = present.flatMap((runtime) => ['level', 'libsql'].map((store) => ({ ...runtime, store })))

test.concurrent.each(rows)('$store keeps the port on $name', async ({ command, args, store }) => {
  const directory = await mkdtemp(join(tmpdir(), 'xmpp-e2e-runtimes-'))
  try {
    const env = { PATH: process.env.PATH, HOME: directory, DENO_DIR: directory, DENO_NO_UPDATE_CHECK: '1' }
    const child = spawn(command, [...args, KIT, store, directory], { env })
    let [said, complaints] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect(`${code} ${complaints}`).toMatch(/^0 /)
    const lines = said
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.filter(({ error }) => error !== undefined)).toEqual([])
    const { length } = conformance({ open: memoryStore, reopen: (same) => same })
    expect(lines.at(-1)).toEqual({ done: length })
    expect(lines.length).toBe(length + 1)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
