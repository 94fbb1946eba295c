/** libotr, from Debian: `libotr_peer.c` around it. */
import { fileURLToPath } from 'node:url'
import { buildC, type Program } from './build.ts'
import { OtrPeer } from './peer.ts'
import type { OtrPeerKind } from './suite.ts'

const SOURCE = fileURLToPath(new URL('../../otr/libotr_peer.c', import.meta.url))

let program: Program | undefined

export const libotr: OtrPeerKind = {
  name: 'libotr',
  versions: [2, 3],
  exchanges: 500,
  crossed: 200,
  mismatch: 'message-4',
  async start() {
    program ??= await buildC(SOURCE, ['libotr'], ['-lgcrypt'])
    return await OtrPeer.start(program.path)
  },
  async stop(peer) {
    await peer.stop()
    await program?.remove()
    program = undefined
  },
}
