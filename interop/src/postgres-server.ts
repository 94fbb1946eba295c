/**
 * PostgreSQL as a child of this process, on a Unix socket in a directory of its own, which is removed when it stops,
 * or when this process ends. It is as durable as it is unless told otherwise.
 */
import { execFile, spawn } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface PostgresServer {
  /** The directory of its socket: what pg takes for a host. */
  readonly host: string
  readonly user: string
  readonly database: string
  stop(): Promise<void>
}

/** Where Debian keeps each version. */
const VERSIONS = '/usr/lib/postgresql'
/** The user that Debian runs it as, and the one it runs as here if this process is root, which it refuses. */
const ACCOUNT = 'postgres'
const READY = /database system is ready to accept connections/
/** It needs a second, on a quiet machine. */
const START_MS = 45_000
/** From being asked to end until being killed. */
const GRACE_MS = 5000

const run = promisify(execFile)

/** @throws {Error} with the log, when it does not start. */
export async function startPostgres(): Promise<PostgresServer> {
  const [version] = readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a))
  const program = (name: string) => join(VERSIONS, version ?? '', 'bin', name)
  const owner = await unprivileged()
  const directory = await mkdtemp(join(tmpdir(), 'xmpp-e2e-postgres-'))
  const removeNow = () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  process.on('exit', removeNow)
  const remove = async () => {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
    process.off('exit', removeNow)
  }
  try {
    if (owner) await chown(directory, owner.uid, owner.gid)
    const data = join(directory, 'data')
    const cluster = ['-D', data, '-U', ACCOUNT, '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync']
    await run(program('initdb'), cluster, { cwd: directory, ...owner })
    const settings = ['listen_addresses=', `unix_socket_directories=${directory}`, 'shared_buffers=32MB']
    const args = ['-D', data, ...settings.flatMap((setting) => ['-c', setting])]
    const stop = await serve(program('postgres'), args, { cwd: directory, ...owner })
    return {
      host: directory,
      user: ACCOUNT,
      database: 'postgres',
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

/** Resolves, when it takes connections, to how to end it. */
async function serve(
  command: string,
  args: string[],
  options: { cwd: string; uid?: number; gid?: number },
): Promise<() => Promise<void>> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] })
  // Its own processes end with it: they watch for that.
  const killNow = () => child.kill('SIGKILL')
  process.prependListener('exit', killNow)
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code, signal) => resolve(`it ended with ${signal ?? code}`))
  })
  const stop = async () => {
    // Does not wait for clients.
    child.kill('SIGINT')
    const kill = setTimeout(killNow, GRACE_MS)
    await ended
    clearTimeout(kill)
    process.off('exit', killNow)
  }
  let log = ''
  let timer: NodeJS.Timeout | undefined
  const ready = new Promise<undefined>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-10_000)
      if (READY.test(log)) resolve(undefined)
    })
    timer = setTimeout(() => reject(new Error(`PostgreSQL did not start\n${log}`)), START_MS)
  })
  try {
    const failure = await Promise.race([ready, ended])
    if (failure !== undefined) throw new Error(`PostgreSQL did not start: ${failure}\n${log}`)
  } catch (error) {
    await stop()
    throw error
  } finally {
    clearTimeout(timer)
  }
  return stop
}

/** Whom to run it as: itself, unless this process is root. */
async function unprivileged(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (which) => Number((await run('id', [which, ACCOUNT])).stdout)),
  )
  return { uid: uid!, gid: gid! }
}
