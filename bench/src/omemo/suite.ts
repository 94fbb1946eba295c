/** OMEMO, `urn:xmpp:omemo:2`, by this project and by python-omemo: from XML to XML, state stored at every step. */
import { fileURLToPath } from 'node:url'
import type { Suite } from '../contest.ts'
import { program } from '../program.ts'

export const omemo: Suite = {
  title: 'OMEMO 2',
  contenders: [
    program('ours', new URL('ours.js', import.meta.url)),
    {
      name: 'python-omemo',
      // Debian's, where its packages are.
      command: '/usr/bin/python3',
      args: [fileURLToPath(new URL('../../omemo/python_omemo_bench.py', import.meta.url))],
    },
  ],
  rows: [
    { row: 'session', title: 'Session from a bundle, and a first message, both sides' },
    { row: 'message', title: 'Message of 200 bytes, encrypted and decrypted' },
    { row: 'ping-pong', title: 'Two messages, back and forth, with a new ratchet key each time' },
    { row: 'page', title: 'Message of an archive page of 50, decrypted', things: 50 },
    { row: 'fan-out', title: 'Message for 1000 devices, encrypted: for one of them', things: 1000 },
  ],
}
