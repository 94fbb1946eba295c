/**
 * A real XMPP server as a child of this process: loopback only, on free ports, everything it writes in a
 * directory of its own that is removed when it stops, or when this process ends.
 */
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { atEnd } from './at-end.ts'
import { startChild } from './child.ts'

export interface Account {
  readonly jid: string
  readonly password: string
}

export interface Server {
  readonly name: 'prosody' | 'ejabberd'
  readonly domain: string
  /** On 127.0.0.1. `c2s` offers STARTTLS, `websocket` is plain HTTP, `component` is XEP-0114. */
  readonly ports: Ports
  /** Where a WebSocket connects to (RFC 7395). */
  readonly websocket: string
  /** The path of the certificate, PEM, which signs itself. */
  readonly ca: string
  /** The domain of the chat rooms, which start members-only and non-anonymous. */
  readonly rooms: string
  /** The domain and the secret that a component may connect with. */
  readonly service: Account
  /** @throws {RangeError} unless the account is one of those that it was started with. */
  account(name: string): Account
  /** Ends it, and removes its directory. */
  stop(): Promise<void>
}

export interface Ports {
  readonly c2s: number
  readonly websocket: number
  readonly component: number
}

export interface ServerOptions {
  /** Names of the accounts; `ACCOUNTS` unless given. There are no others. */
  readonly accounts?: readonly string[]
  /** Seconds for which a session that lost its stream can be resumed (XEP-0198); 10 unless given. */
  readonly hibernation?: number
}

export const ACCOUNTS = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi'] as const

const DOMAIN = 'localhost'
const PASSWORD = 'secret'
const HIBERNATION_S = 10
/** A free port can be taken by others before the server binds it; somebody who loses three times has another problem. */
const ATTEMPTS = 3

/** How a server is run. */
export interface Program {
  readonly name: Server['name']
  /** The path of its configuration, in which `$name` stands for a value. */
  readonly template: URL
  /** Writes what it needs before it starts. */
  prepare(directory: string, accounts: readonly Account[]): Promise<void>
  command(
    configuration: string,
    accounts: readonly Account[],
  ): { command: string; args: string[]; env: NodeJS.ProcessEnv }
  /** All that its log says when it can be used. */
  ready(ports: readonly number[]): readonly RegExp[]
  /** What its log says when something else listens on a port. */
  readonly portTaken: RegExp
}

/** @throws {Error} with the log, when it does not start. */
export async function startServer(program: Program, options: ServerOptions = {}): Promise<Server> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(program, options)
    } catch (error) {
      if (!(error instanceof PortTaken) || attempt === ATTEMPTS) throw error
    }
  }
}

class PortTaken extends Error {}

async function start(program: Program, options: ServerOptions): Promise<Server> {
  const accounts = (options.accounts ?? ACCOUNTS).map((name) => ({
    jid: `${name}@${DOMAIN}`,
    password: PASSWORD,
  }))
  const directory = await mkdtemp(join(tmpdir(), `xmpp-e2e-${program.name}-`))
  const forget = atEnd(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
  const remove = async () => {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
    forget()
  }
  try {
    const [c2s, websocket, component] = await freePorts(3)
    const ports: Ports = { c2s: c2s!, websocket: websocket!, component: component! }
    const names = { domain: DOMAIN, rooms: `rooms.${DOMAIN}`, service: `service.${DOMAIN}` }
    const hibernation = options.hibernation ?? HIBERNATION_S
    const configuration = join(directory, program.template.pathname.split('/').at(-1)!)
    const template = await readFile(program.template, 'utf8')
    await writeFile(
      configuration,
      fill(template, { ...ports, ...names, directory, hibernation, password: PASSWORD }),
    )
    await certify(directory)
    await program.prepare(directory, accounts)
    const { env, ...command } = program.command(configuration, accounts)
    const signs = program.ready(Object.values(ports))
    const stop = await startChild({
      ...command,
      name: program.name,
      options: { cwd: directory, env },
      signal: 'SIGTERM',
      isReady(log) {
        if (program.portTaken.test(log))
          throw new PortTaken(`${program.name} lost a port to somebody else\n${log}`)
        return signs.every((sign) => sign.test(log))
      },
    })
    return {
      ...names,
      name: program.name,
      ports,
      websocket: `ws://127.0.0.1:${websocket}/xmpp-websocket`,
      ca: join(directory, 'cert.pem'),
      service: { jid: names.service, password: PASSWORD },
      account(name) {
        const found = accounts.find(({ jid }) => jid === `${name}@${DOMAIN}`)
        if (!found) throw new RangeError(`account: ${name} is none of those it was started with`)
        return found
      },
      async stop() {
        await stop()
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}

const fill = (template: string, values: Readonly<Record<string, string | number>>): string =>
  template.replace(/\$(\w+)/g, (whole, name: string) => String(values[name] ?? whole))

/** Ports that nobody listens on now: all are bound at once, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const held = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  return Promise.all(
    held.map(async (server) => {
      const address = server.address()
      await new Promise((resolve) => server.close(resolve))
      return typeof address === 'object' && address !== null ? address.port : 0
    }),
  )
}

/** A key and a certificate that signs itself: cert.pem, key.pem, and both in one file. */
async function certify(directory: string): Promise<void> {
  const names = `subjectAltName=DNS:${DOMAIN},DNS:*.${DOMAIN},IP:127.0.0.1`
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key.pem']
  const certificate = ['-x509', '-days', '2', '-subj', `/CN=${DOMAIN}`, '-addext', names, '-out', 'cert.pem']
  await promisify(execFile)('openssl', ['req', ...key, ...certificate], { cwd: directory })
  const files = await Promise.all(
    ['cert.pem', 'key.pem'].map((file) => readFile(join(directory, file), 'utf8')),
  )
  await writeFile(join(directory, 'cert-and-key.pem'), files.join(''))
}
