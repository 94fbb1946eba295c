/** The servers themselves: they start, let accounts in, and leave nothing behind. */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startEjabberd } from '../src/ejabberd.ts'
import { startProsody } from '../src/prosody.ts'

describe.each([
  ['prosody', startProsody],
  ['ejabberd', startEjabberd],
])('%s', (name, start) => {
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
