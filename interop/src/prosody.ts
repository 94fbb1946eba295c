/** Prosody, Debian's: `prosody/prosody.cfg.lua` says how it is set up. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Program, type Server, type ServerOptions, startServer } from './server.ts'

const PROSODY: Program = {
  name: 'prosody',
  template: new URL('../prosody/prosody.cfg.lua', import.meta.url),
  // Its own storage format: one Lua file for each account, in a directory for each host.
  async prepare(directory, accounts) {
    for (const { jid, password } of accounts) {
      const [name, host = ''] = jid.split('@')
      const folder = join(directory, 'data', host, 'accounts')
      await mkdir(folder, { recursive: true })
      const file = name?.replace(/[^a-z0-9]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)
      await writeFile(join(folder, `${file}.dat`), `return { password = ${JSON.stringify(password)} }\n`)
    }
  },
  command: (configuration) => ({
    command: '/usr/bin/prosody',
    args: ['-F', '--config', configuration],
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8' },
  }),
  ready: (ports) => ports.map((port) => new RegExp(`Activated service .*\\[127\\.0\\.0\\.1\\]:${port}\\b`)),
  portTaken: /Failed to open server port/,
}

export const startProsody = (options?: ServerOptions): Promise<Server> => startServer(PROSODY, options)
