/**
 * A program that answers JSON lines: one request a line on its stdin, one reply a line on its stdout.
 *
 * Request `{"id", "op", ...}`; reply `{"id", "result"}` or `{"id", "error", "message"}`. The program writes
 * `{"ready": true}` when it can be asked. It runs in an empty directory of its own and is ended by its own pid.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atEnd } from './at-end.ts'

/** How much of the program's stderr an error repeats; all of it goes to this process's stderr. */
const STDERR_TAIL = 4096
/** After the end of its input the program has this long, in milliseconds, before it is killed. */
const GRACE = 5000

/**
 * A request that failed. `code` is the class of the peer's exception, or `exited` when the program is gone,
 * or `driver` when it answered what it should not.
 */
export class PeerError extends Error {
  override readonly name = 'PeerError'
  readonly code: string
  constructor(code: string, message: string) {
    super(message === '' ? code : `${code}: ${message}`)
    this.code = code
  }
}

interface Reply {
  readonly ready?: boolean
  readonly id?: number
  readonly result?: unknown
  readonly error?: string
  readonly message?: string
}

interface Pending {
  resolve(value: unknown): void
  reject(error: PeerError): void
}

/** The reply to `{"ready": true}` waits under an id that no request has. */
const READY = 0

export class JsonLines {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #directory: string
  readonly #pending = new Map<number, Pending>()
  readonly #exit: Promise<void>
  readonly #forget: () => void
  #lastId = READY
  #unread = ''
  #stderr = ''
  #gone: PeerError | undefined

  private constructor(child: ChildProcessWithoutNullStreams, directory: string) {
    this.#child = child
    this.#directory = directory
    // The program itself ends with its input.
    this.#forget = atEnd(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.#read(text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL)
      process.stderr.write(text)
    })
    // Writing to a program that has ended fails here; its exit rejects what is pending.
    child.stdin.on('error', () => undefined)
    this.#exit = new Promise((resolve) => {
      child.on('error', (error) => {
        this.#end(new PeerError('exited', error.message))
        resolve()
      })
      // Not 'exit': the last of stdout and stderr comes between the two.
      child.on('close', (code, signal) => {
        this.#end(new PeerError('exited', `with ${signal ?? code}\n${this.#stderr}`.trim()))
        resolve()
      })
    })
  }

  /** @throws {PeerError} `exited`: it cannot be run, or ended before it was ready. */
  static async start(command: string, args: readonly string[]): Promise<JsonLines> {
    const directory = await mkdtemp(join(tmpdir(), 'xmpp-e2e-interop-'))
    const peer = new JsonLines(spawn(command, args, { cwd: directory }), directory)
    try {
      await new Promise((resolve, reject) => peer.#pending.set(READY, { resolve, reject }))
    } catch (error) {
      await peer.stop()
      throw error
    }
    return peer
  }

  /** The pid of the program. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /** The result is taken to be a `T`: programs that speak this are part of this repository. */
  request<T>(op: string, fields: Readonly<Record<string, unknown>>): Promise<T> {
    if (this.#gone) return Promise.reject(this.#gone)
    this.#lastId += 1
    const id = this.#lastId
    return new Promise<T>((resolve, reject) => {
      this.#pending.set(id, { resolve: (value) => resolve(value as T), reject })
      this.#child.stdin.write(`${JSON.stringify({ id, op, ...fields })}\n`)
    })
  }

  /** Ends its input, waits for it, kills it if it does not go, and removes its directory. */
  async stop(): Promise<void> {
    this.#child.stdin.end()
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), GRACE)
    await this.#exit
    clearTimeout(kill)
    await rm(this.#directory, { recursive: true, force: true })
    this.#forget()
  }

  #read(text: string): void {
    const lines = (this.#unread + text).split('\n')
    this.#unread = lines.pop() ?? ''
    for (const line of lines) this.#settle(line)
  }

  #settle(line: string): void {
    let reply: Reply
    try {
      reply = JSON.parse(line)
    } catch {
      this.#end(new PeerError('driver', `not a reply: ${line.slice(0, 200)}`))
      return
    }
    const id = reply.ready ? READY : (reply.id ?? -1)
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (reply.error === undefined) pending?.resolve(reply.result)
    else pending?.reject(new PeerError(reply.error, reply.message ?? ''))
  }

  #end(error: PeerError): void {
    this.#gone ??= error
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
  }
}
