/** The servers themselves: they start, and leave nothing behind, also when they fail. */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Program, startServer } from '../src/server.ts'
import { SERVERS } from '../src/servers.ts'

describe.each(SERVERS)('%s', (name, start) => {
  test('starts twice beside itself, on other ports, and leaves no directory', async () => {
    const servers = await Promise.all([start(), start({ accounts: ['zoe'] })])
    const ports = servers.flatMap(({ ports }) => Object.values(ports))
    expect(new Set(ports).size).toBe(6)
    expect(servers.map((server) => server.name)).toEqual([name, name])
    expect(servers[1].account('zoe').jid).toBe('zoe@localhost')
    expect(() => servers[1].account('alice')).toThrow(RangeError)
    expect(servers.every(({ ca }) => existsSync(ca))).toBe(true)
    await Promise.all(servers.map((server) => server.stop()))
    expect(servers.some(({ ca }) => existsSync(dirname(ca)))).toBe(false)
  })
})

/** A program that runs these lines in a shell, one for each attempt. */
function shell(scripts: readonly string[]): Program & { readonly directories: readonly string[] } {
  const directories: string[] = []
  return {
    directories,
    name: 'prosody',
    template: new URL('../prosody/prosody.cfg.lua', import.meta.url),
    prepare: async (directory) => void directories.push(directory),
    command: () => ({
      command: '/bin/sh',
      args: ['-c', scripts[directories.length - 1] ?? 'exit 9'],
      env: { PATH: process.env.PATH },
    }),
    ready: () => [/is ready/],
    portTaken: /in use/,
  }
}

const READY = 'echo it is ready; exec cat /dev/zero >/dev/null'

describe('a program that does not start', () => {
  test('ends: the error has its exit code and what it said, and its directory is gone', async () => {
    const program = shell(['echo no such option; echo at all >&2; exit 3'])
    await expect(startServer(program)).rejects.toThrow(
      /did not start: it ended with 3\n(?=.*no such option)(?=.*at all)/s,
    )
    expect(program.directories).toHaveLength(1)
    expect(existsSync(program.directories[0]!)).toBe(false)
  })

  test('cannot be run at all', async () => {
    const program = { ...shell([]), command: () => ({ command: '/nowhere', args: [], env: {} }) }
    await expect(startServer(program)).rejects.toThrow(/ENOENT/)
  })

  test('loses a port twice: is started a third time, in another directory', async () => {
    const program = shell(['echo in use', 'echo in use', READY])
    const server = await startServer(program)
    expect(program.directories.map(existsSync)).toEqual([false, false, true])
    await server.stop()
    expect(existsSync(program.directories[2]!)).toBe(false)
  })

  test('loses a port three times: that is an error', async () => {
    const program = shell(['echo in use', 'echo in use', 'echo in use', READY])
    await expect(startServer(program)).rejects.toThrow(/lost a port/)
    expect(program.directories.map(existsSync)).toEqual([false, false, false])
  })
})
