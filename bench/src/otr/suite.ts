/** OTR version 3 by this project, by libotr and by npm's `otr`. */
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatPrivateKeys, generateDsaKey } from '@xmpp-e2e/otr/core'
import type { Row, Suite } from '../contest.ts'
import { program } from '../program.ts'

const rows: readonly Row[] = [
  { row: 'ake', title: 'Key exchange', goals: { libotr: 1.5, 'npm otr': 1 / 12 } },
  { row: 'ake', title: 'The first key exchange of a process', first: true },
  { row: 'message', title: 'Message of 200 bytes, encrypted and decrypted' },
  { row: 'ping-pong', title: 'Two messages, back and forth, with new keys each time' },
  { row: 'smp', title: 'Comparison of a secret (SMP)', budget: 800_000 },
  { row: 'fragments', title: 'Joining a message from 1000 fragments' },
  // Luck decides how many numbers are tried, so that a round needs many keys.
  { row: 'key', title: 'Making a DSA key', budget: 1_500_000 },
]

/** What it needs is written to `directory`. */
export async function otr(directory: string): Promise<Suite> {
  const keys = join(directory, 'keys')
  writeFileSync(keys, formatPrivateKeys([await account('alice'), await account('bob')]))
  const contenders = [
    program('ours', new URL('ours.js', import.meta.url), keys),
    { name: 'libotr', command: compile(directory), args: [keys] },
    program('npm otr', new URL('npm-otr.js', import.meta.url), keys),
  ]
  return { title: 'OTR version 3, both sides together', contenders, rows }
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
