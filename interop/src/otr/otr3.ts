/** otr3, from Debian: `otr3_peer.go` around it. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Program } from './build.ts'
import { OtrPeer } from './peer.ts'
import type { OtrPeerKind } from './suite.ts'

const run = promisify(execFile)
const SOURCE = fileURLToPath(new URL('../../otr/otr3_peer.go', import.meta.url))
/** Where Debian's packages of Go libraries are; they know no modules. */
const WHERE = { GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOFLAGS: '' }

let program: Program | undefined

/** @throws {Error} with what the compiler says */
async function buildGo(): Promise<Program> {
  const directory = await mkdtemp(join(tmpdir(), 'xmpp-e2e-interop-'))
  const remove = () => rm(directory, { recursive: true, force: true })
  try {
    const path = join(directory, 'program')
    await run('go', ['build', '-o', path, SOURCE], { env: { ...process.env, ...WHERE } })
    return { path, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

export const otr3: OtrPeerKind = {
  name: 'otr3',
  versions: [2, 3],
  exchanges: 500,
  crossed: 200,
  mismatch: 'abort',
  async start() {
    program ??= await buildGo()
    return await OtrPeer.start(program.path)
  },
  async stop(peer) {
    await peer.stop()
    await program?.remove()
    program = undefined
  },
}
