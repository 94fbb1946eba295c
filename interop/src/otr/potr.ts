/** potr, from Debian: `potr_peer.py` around it. It has version 2 only. */
import { fileURLToPath } from 'node:url'
import { OtrPeer } from './peer.ts'
import type { OtrPeerKind } from './suite.ts'

const SOURCE = fileURLToPath(new URL('../../otr/potr_peer.py', import.meta.url))

export const potr: OtrPeerKind = {
  name: 'potr',
  versions: [2],
  exchanges: 100,
  crossed: 200,
  mismatch: 'abort',
  start: () => OtrPeer.start('/usr/bin/python3', ['-E', '-s', '-B', SOURCE]),
  stop: (peer) => peer.stop(),
}
