/** The programs of the README of omemo, as they are written there, on Prosody. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Omemo } from '@xmpp-e2e/omemo'
import { memoryStore } from '@xmpp-e2e/store'
import { blindTrustBeforeVerification } from '@xmpp-e2e/trust'
import { bare, ns, text } from '@xmpp-e2e/xml'
import { clock } from '@xmpp-e2e/xml/system'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { atEnd } from '../src/at-end.ts'
import { connectHost, type Host } from '../src/hosts.ts'
import { startProsody } from '../src/prosody.ts'
import type { Server } from '../src/server.ts'

const stanza = ns('jabber:client')
const PATIENCE = { timeout: 30_000, interval: 50 }

let server: Server
let friend: Host
let omemo: Omemo
const heard: { readonly from: string; readonly words: readonly string[] }[] = []
const children: ChildProcess[] = []
const directory = mkdtempSync(join(tmpdir(), 'xmpp-e2e-programs-'))
const forget = atEnd(() => rmSync(directory, { recursive: true, force: true }))

/**
 * Runs a program; only where the server is, and where it keeps what, is another place. Unless `change` is to have it killed
 * at one of its lines.
 */
function run(
  name: string,
  change: readonly [string, string] = ['', ''],
): { readonly child: ChildProcess; output(): string } {
  const program = readFileSync(new URL(`../dist/programs/${name}.js`, import.meta.url), 'utf8')
    .replace('xmpp://localhost', `xmpp://localhost:${server.ports.c2s}`)
    .replace('ws://localhost', server.websocket)
    .replace('./echo', join(directory, 'echo'))
    .replace(...change)
  const child = spawn(process.execPath, ['--input-type=module'], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...process.env, NODE_EXTRA_CA_CERTS: server.ca },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part) => (said += part))
  child.stdin.end(program)
  children.push(child)
  const forgetChild = atEnd(() => child.kill('SIGKILL'))
  child.on('close', forgetChild)
  return { child, output: () => said }
}

async function stop(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise((resolve) => child.once('close', resolve))
  child.kill(signal)
  await closed
}

const say = (to: string, words: string) =>
  omemo.send(stanza('message', { to, type: 'chat' }, stanza('body', {}, words)), [bare(to)])

const said = (from: string, words: string) => ({ from, words: [words] })

beforeAll(async () => {
  server = await startProsody({ accounts: ['juliet', 'romeo', 'echo'] })
  const account = bare(server.account('romeo').jid)
  friend = await connectHost('strophe', server, server.account('romeo'))
  const { connection } = friend
  omemo = await Omemo.open({
    account,
    connection,
    policy: blindTrustBeforeVerification,
    clock,
    store: memoryStore(),
  })
  omemo.listen((arrived) => {
    if (arrived.kind === 'message')
      heard.push({ from: arrived.sender.jid, words: arrived.content.map((el) => text(el)) })
  })
  await omemo.start()
  await connection.send(stanza('presence'))
}, 60_000)

afterEach(async () => {
  for (const child of children.splice(0)) await stop(child)
  heard.length = 0
})

afterAll(async () => {
  await omemo.close()
  await friend.close()
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
  forget()
})

test.each(['xmppjs', 'strophe', 'stanza'])(
  'of fifteen lines for %s: sends a message, and shows one',
  async (host) => {
    const { output } = run(`omemo-${host}`)
    await vi.waitFor(
      () => expect(heard, output()).toContainEqual(said('juliet@localhost', 'Hello!')),
      PATIENCE,
    )
    // Each program is a new device, in a store that ends with it.
    await omemo.devices(bare('juliet@localhost'), { refresh: true })
    expect(await say('juliet@localhost', `To ${host}`)).toMatchObject({ kind: 'encrypted' })
    await vi.waitFor(() => expect(output()).toContain(`To ${host}`), PATIENCE)
  },
  60_000,
)

test('the bot answers, once, also what came while it was killed', async () => {
  const echo = 'echo@localhost'
  const first = run('omemo-bot')
  await vi.waitFor(async () => {
    await omemo.devices(bare(echo), { refresh: true })
    expect(await say(echo, 'Is anybody there?'), first.output()).toMatchObject({ kind: 'encrypted' })
  }, PATIENCE)
  await vi.waitFor(
    () => expect(heard, first.output()).toContainEqual(said(echo, 'Is anybody there?')),
    PATIENCE,
  )
  await stop(first.child, 'SIGKILL')

  await say(echo, 'And now?')
  await say(echo, 'And then?')
  const second = run('omemo-bot')
  await vi.waitFor(() => {
    expect(heard, second.output()).toContainEqual(said(echo, 'And now?'))
    expect(heard, second.output()).toContainEqual(said(echo, 'And then?'))
  }, PATIENCE)
  await say(echo, 'Good night')
  await vi.waitFor(() => expect(heard, second.output()).toContainEqual(said(echo, 'Good night')), PATIENCE)
  expect(heard.map(({ words }) => words[0]).filter((words) => words !== 'Is anybody there?')).toEqual([
    'And now?',
    'And then?',
    'Good night',
  ])
  expect(second.output()).not.toContain('cannot')
}, 120_000)

test('the bot answers what it had not answered yet when it was killed', async () => {
  const echo = 'echo@localhost'
  // It gets no further than to the answer, as if it were killed there.
  const sending = 'const sent = await omemo.send'
  const first = run('omemo-bot', [
    sending,
    `console.log('killed here')\n  await new Promise(() => {})\n  ${sending}`,
  ])
  await vi.waitFor(async () => {
    await omemo.devices(bare(echo), { refresh: true })
    expect(await say(echo, 'Wherefore?'), first.output()).toMatchObject({ kind: 'encrypted' })
  }, PATIENCE)
  await vi.waitFor(() => expect(first.output()).toContain('killed here'), PATIENCE)
  await stop(first.child, 'SIGKILL')

  // Its answer is tried before there is a session, and again in the session.
  const second = run('omemo-bot')
  await vi.waitFor(() => expect(heard, second.output()).toContainEqual(said(echo, 'Wherefore?')), PATIENCE)
  await say(echo, 'Good night')
  await vi.waitFor(() => expect(heard, second.output()).toContainEqual(said(echo, 'Good night')), PATIENCE)
  expect(heard.filter(({ words }) => words[0] === 'Wherefore?')).toHaveLength(1)
  expect(second.child.exitCode).toBe(null)
  expect(second.output()).not.toContain('cannot')
}, 120_000)
