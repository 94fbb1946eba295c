/**
 * Profanity as a person uses it: in a terminal of its own (tmux), by commands and keys, read from its screen and from
 * the logs that it keeps of chats. All that it and tmux write is in one directory, which is removed at the end.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { atEnd } from './at-end.ts'
import type { Account, Server } from './server.ts'

export interface ProfanityOptions {
  /** How it takes keys that it meets. */
  readonly trust?: 'blind' | 'firstusage'
  /** What it makes keys for; OMEMO unless given. For OpenPGP it makes none: they are GnuPG's. */
  readonly scheme?: 'omemo' | 'otr' | 'ox'
  /** GnuPG's home, whose configuration says which keys are to be trusted. */
  readonly gnupgHome?: string
}

/** Milliseconds, until what is waited for is missed. */
const PATIENCE = 45_000
/** Milliseconds between two looks at the screen. */
const LOOK_MS = 50
/** Milliseconds from being asked to end until being killed. */
const GRACE_MS = 5000

const run = promisify(execFile)

export class Profanity {
  readonly #account: Account
  readonly #directory: string
  readonly #scheme: 'omemo' | 'otr' | 'ox'
  readonly #gnupgHome: string | undefined
  readonly #forget: () => void
  #terminal: ChildProcess | undefined
  #pid = 0
  #hasKeys = false

  private constructor(
    account: Account,
    directory: string,
    { scheme = 'omemo', gnupgHome }: ProfanityOptions,
  ) {
    this.#account = account
    this.#directory = directory
    this.#scheme = scheme
    this.#gnupgHome = gnupgHome
    this.#forget = atEnd(() => {
      this.#terminal?.kill('SIGKILL')
      this.#kill('SIGKILL')
      try {
        rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
      } catch {
        // It was still writing; others must be ended nevertheless.
      }
    })
  }

  /**
   * Starts it, connects, and makes its keys. It publishes no device list where there was none before: the account needs
   * one, which may be empty.
   *
   * @throws {Error} with its screen, when it does not come to that
   */
  static async start(server: Server, account: Account, options: ProfanityOptions = {}): Promise<Profanity> {
    const directory = await mkdtemp(join(tmpdir(), 'xmpp-e2e-profanity-'))
    const profanity = new Profanity(account, directory, options)
    try {
      for (const kind of ['config', 'data'])
        await mkdir(join(directory, kind, 'profanity'), { recursive: true })
      await writeFile(join(directory, 'config', 'profanity', 'profrc'), settings(options.trust ?? 'blind'))
      await writeFile(join(directory, 'data', 'profanity', 'accounts'), login(server, account))
      await profanity.start()
    } catch (error) {
      await profanity.stop()
      throw error
    }
    return profanity
  }

  /** Starts the program and connects, after `quit` as the same device. */
  async start(): Promise<void> {
    const { jid } = this.#account
    const command = `exec /usr/bin/profanity -a ${jid}`
    const socket = this.#socket
    await rm(socket, { force: true })
    // In the foreground, to be a child of this process; it waits for sessions then.
    this.#terminal = spawn('/usr/bin/tmux', ['-S', socket, '-f', '/dev/null', '-D'], {
      cwd: this.#directory,
      env: {
        ...environment(this.#directory),
        ...(this.#gnupgHome !== undefined && { GNUPGHOME: this.#gnupgHome }),
      },
      stdio: 'ignore',
    })
    this.#terminal.on('error', () => undefined)
    await this.#until('tmux to listen', async () => existsSync(socket))
    const session = ['new-session', '-d', '-x', '200', '-y', '60', '-P', '-F', '#{pane_pid}', command]
    this.#pid = Number(await this.#tmux(...session))
    await this.sees(/logged in successfully/)
    if (this.#hasKeys || this.#scheme === 'ox') return
    await this.type(`/${this.#scheme} gen`)
    await this.sees(this.#scheme === 'omemo' ? /materials generated/ : /Private key generation complete/)
    this.#hasKeys = true
  }

  /** What can be seen now. */
  async screen(): Promise<string> {
    return this.#tmux('capture-pane', '-p', '-J')
  }

  /** Resolves to the match, when it can be seen. @throws {Error} with the screen */
  async sees(pattern: RegExp): Promise<RegExpMatchArray> {
    return this.#until(`${pattern}`, async () => (await this.screen()).match(pattern) ?? undefined)
  }

  /** Types a line, a command or something to say to whose window is open. */
  async type(line: string): Promise<void> {
    await this.#tmux('send-keys', '-l', line)
    await this.#tmux('send-keys', 'Enter')
  }

  /** Opens the window of a contact, with OMEMO on. */
  async chat(contact: string): Promise<void> {
    await this.open(contact)
    await this.type(`/omemo start ${contact}`)
    await this.sees(new RegExp(`^ ${contact} .*\\[OMEMO\\]`, 'm'))
  }

  /** Opens the window of a contact, without encryption. */
  async open(contact: string): Promise<void> {
    await this.type(`/msg ${contact}`)
    await this.sees(new RegExp(`^ ${contact} `, 'm'))
  }

  /** Empties the window, so that what is seen then is new. */
  async clear(): Promise<void> {
    await this.type('/clear')
    await this.#until('an empty window', async () => !/^\d\d:\d\d:\d\d /m.test(await this.screen()))
  }

  /** Says something to the contact whose window is open; resolves when it shows it as encrypted. */
  async say(text: string): Promise<void> {
    await this.type(text)
    await this.sees(new RegExp(`~ me: ${text}`))
  }

  /** Resolves when it has read that from a contact, as its log of the chat says. */
  async hears(contact: string, text: string): Promise<void> {
    await this.#until(`${contact} to have said ${text}`, async () => {
      const log = await this.log(contact)
      return log.some(({ nick, body }) => nick !== 'me' && body === text)
    })
  }

  /** What it has logged of a chat. */
  async log(contact: string): Promise<readonly { readonly nick: string; readonly body: string }[]> {
    const name = (jid: string) => jid.replace('@', '_at_')
    const folder = join(this.#directory, 'data/profanity/chatlogs', name(this.#account.jid), name(contact))
    const files = await readdir(folder).catch(() => [])
    const texts = await Promise.all(files.sort().map((file) => readFile(join(folder, file), 'utf8')))
    return texts
      .flatMap((text) => text.split('\n'))
      .flatMap((line) => {
        const [, nick, body] = line.match(/^\S+ - (\S+): (.*)$/) ?? []
        return nick === undefined || body === undefined ? [] : [{ nick, body }]
      })
  }

  /** The id of its device. */
  async deviceId(): Promise<number> {
    await this.type('/win 1')
    const [, id] = await this.sees(/Your Device ID is (\d+)/)
    return Number(id)
  }

  /** Has it quit, and waits for its end, or kills it when it takes too long; what it knows stays. */
  async quit(): Promise<void> {
    await this.type('/quit')
    await this.#end()
  }

  async stop(): Promise<void> {
    this.#kill('SIGKILL')
    await this.#end()
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 })
    this.#forget()
  }

  get #socket(): string {
    return join(this.#directory, 'tmux')
  }

  async #tmux(...args: readonly string[]): Promise<string> {
    const { stdout } = await run('/usr/bin/tmux', ['-S', this.#socket, ...args], {
      env: environment(this.#directory),
    })
    return stdout
  }

  async #until<T>(what: string, find: () => Promise<T | undefined | false>): Promise<T> {
    const deadline = Date.now() + PATIENCE
    for (;;) {
      const found = await find()
      if (found !== undefined && found !== false) return found
      if (Date.now() > deadline) {
        const screen = await this.screen().catch(() => 'no screen')
        throw new Error(`Profanity: waited for ${what} in vain\n${screen.replace(/\n{2,}/g, '\n')}`)
      }
      await look()
    }
  }

  /** Whether there was a process to be signalled. */
  #kill(signal: NodeJS.Signals | 0): boolean {
    if (this.#pid === 0) return false
    try {
      return process.kill(this.#pid, signal)
    } catch {
      this.#pid = 0
      return false
    }
  }

  /** Waits for its end, and ends the terminal, whose child it is. */
  async #end(): Promise<void> {
    const deadline = Date.now() + GRACE_MS
    while (Date.now() < deadline && this.#kill(0)) await look()
    this.#kill('SIGKILL')
    this.#pid = 0
    await this.#endTerminal()
  }

  async #endTerminal(): Promise<void> {
    const terminal = this.#terminal
    this.#terminal = undefined
    if (!terminal || terminal.exitCode !== null || terminal.signalCode !== null) return
    const ended = new Promise((resolve) => terminal.once('close', resolve))
    terminal.kill('SIGTERM')
    const kill = setTimeout(() => terminal.kill('SIGKILL'), GRACE_MS)
    await ended
    clearTimeout(kill)
  }
}

const look = () => new Promise((resolve) => setTimeout(resolve, LOOK_MS))

/** Nothing of the person who runs the tests. */
const environment = (directory: string): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: directory,
  XDG_CONFIG_HOME: join(directory, 'config'),
  XDG_DATA_HOME: join(directory, 'data'),
  XDG_CACHE_HOME: join(directory, 'cache'),
  LANG: 'C.UTF-8',
  LC_ALL: 'C.UTF-8',
  TERM: 'screen',
})

const settings = (trust: string): string => `[connection]
vercheck=false
[ui]
splash=false
wrap=false
[notifications]
message=false
[logging]
chlog=true
[omemo]
trustmode=${trust}
log=on
[otr]
log=on
`

/** Its server has a certificate that signs itself. */
const login = ({ ports }: Server, { jid, password }: Account): string => `[${jid}]
enabled=true
jid=${jid}
server=127.0.0.1
port=${ports.c2s}
resource=profanity
password=${password}
tls.policy=trust
`
