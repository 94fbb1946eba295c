/** Programs that are run once for each thing that is asked of them, in a directory of their own. */
import { execFile, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { atEnd } from '../at-end.ts'

export interface Done {
  readonly status: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

export class Scratch {
  readonly directory: string
  readonly #forget: () => void
  #files = 0

  private constructor(directory: string) {
    this.directory = directory
    this.#forget = atEnd(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
  }

  static async make(): Promise<Scratch> {
    return new Scratch(await mkdtemp(join(tmpdir(), 'xmpp-e2e-ox-')))
  }

  /** A path that nothing is at. */
  path(): string {
    return join(this.directory, `file-${++this.#files}`)
  }

  /** The path of a new file. */
  async file(content: Uint8Array | string): Promise<string> {
    const path = this.path()
    await writeFile(path, content)
    return path
  }

  /** Runs a program, which knows nothing of the person who runs the tests; its end is its answer. */
  async ask(command: string, args: readonly string[], input: Uint8Array | string = ''): Promise<Done> {
    const child = spawn(command, args, {
      cwd: this.directory,
      env: { PATH: process.env.PATH, HOME: this.directory, LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8' },
      stdio: 'pipe',
    })
    const out: Buffer[] = []
    let stderr = ''
    child.stdout.on('data', (bytes: Buffer) => out.push(bytes))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    // Who has heard enough reads no more.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    })
    return { status, stdout: Buffer.concat(out), stderr }
  }

  /** The same for a program that must succeed. @throws {Error} with what it said */
  async run(command: string, args: readonly string[], input: Uint8Array | string = ''): Promise<Done> {
    const done = await this.ask(command, args, input)
    if (done.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.status}\n${done.stderr}`)
    return done
  }

  /** The same for one that asks a terminal for a password, with a terminal. */
  async runAtTerminal(command: readonly string[], password: string): Promise<void> {
    const line = command.map((word) => `'${word}'`).join(' ')
    const asking = promisify(execFile)('/usr/bin/script', ['-qec', line, '/dev/null'], {
      cwd: this.directory,
      env: { PATH: process.env.PATH, HOME: this.directory, TERM: 'dumb' },
    })
    asking.child.stdin?.end(`${password}\n${password}\n`)
    await asking
  }

  async read(path: string): Promise<Buffer> {
    return readFile(path)
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 })
    this.#forget()
  }
}
