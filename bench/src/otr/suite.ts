/** OTR version 3 by this project, by libotr and by npm's `otr`. */
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatPrivateKeys, generateDsaKey } from '@xmpp-e2e/otr/core'
import type { Contender, Row } from '../contest.ts'

export const title = 'OTR version 3, both sides together'

export const rows: readonly Row[] = [
  { row: 'ake', title: 'Key exchange', goals: { libotr: 1.5, 'npm otr': 1 / 12 } },
  { row: 'message', title: 'Message of 200 bytes, encrypted and decrypted' },
  { row: 'ping-pong', title: 'Two messages, back and forth, with new keys each time' },
  { row: 'smp', title: 'Comparison of a secret (SMP)' },
  { row: 'fragments', title: 'Joining a message from 1000 fragments' },
  // Luck decides how many numbers are tried, so that a round needs many keys.
  { row: 'key', title: 'Making a DSA key', budget: 1_500_000 },
]

/** What it needs is written to `directory`. */
export async function contenders(directory: string): Promise<readonly Contender[]> {
  const keys = join(directory, 'keys')
  writeFileSync(keys, formatPrivateKeys([await account('alice'), await account('bob')]))
  const program = (name: string) => fileURLToPath(new URL(`${name}.js`, import.meta.url))
  const node = (name: string, file: string) => ({
    name,
    command: process.execPath,
    args: [program(file), keys],
  })
  return [
    node('ours', 'ours'),
    { name: 'libotr', command: compile(directory), args: [keys] },
    node('npm otr', 'npm-otr'),
  ]
}

async function account(name: string) {
  const random = (length: number) => randomFillSync(new Uint8Array(length))
  return { name, protocol: 'prpl-jabber', key: await generateDsaKey({ random, pause: async () => {} }) }
}

function compile(directory: string): string {
  const source = fileURLToPath(new URL('../../otr/libotr_bench.c', import.meta.url))
  const program = join(directory, 'libotr_bench')
  const flags = ['-std=c11', '-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra', '-Werror']
  execFileSync('gcc', [...flags, '-o', program, source, '-lotr', '-lgcrypt'], { stdio: 'inherit' })
  return program
}
