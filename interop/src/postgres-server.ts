/**
 * PostgreSQL as a child of this process, on a Unix socket in a directory of its own, which is removed when it stops,
 * or when this process ends. It is as durable as it is unless told otherwise.
 */
import { execFile } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { atEnd } from './at-end.ts'
import { startChild } from './child.ts'

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

const run = promisify(execFile)

/** @throws {Error} with the log, when it does not start. */
export async function startPostgres(): Promise<PostgresServer> {
  const [version] = readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a))
  const program = (name: string) => join(VERSIONS, version ?? '', 'bin', name)
  const owner = await unprivileged()
  const directory = await mkdtemp(join(tmpdir(), 'xmpp-e2e-postgres-'))
  const forget = atEnd(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
  const remove = async () => {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
    forget()
  }
  try {
    if (owner) await chown(directory, owner.uid, owner.gid)
    const data = join(directory, 'data')
    const cluster = ['-D', data, '-U', ACCOUNT, '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync']
    await run(program('initdb'), cluster, { cwd: directory, ...owner })
    const settings = ['listen_addresses=', `unix_socket_directories=${directory}`, 'shared_buffers=32MB']
    const args = ['-D', data, ...settings.flatMap((setting) => ['-c', setting])]
    const stop = await startChild({
      name: 'PostgreSQL',
      command: program('postgres'),
      args,
      options: { cwd: directory, ...owner },
      // Does not wait for clients. Its own processes end with it: they watch for that.
      signal: 'SIGINT',
      isReady: (log) => READY.test(log),
    })
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

/** Whom to run it as: itself, unless this process is root. */
async function unprivileged(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (which) => Number((await run('id', [which, ACCOUNT])).stdout)),
  )
  return { uid: uid!, gid: gid! }
}
