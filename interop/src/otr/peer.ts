/**
 * A program that speaks OTR in one conversation, without a network. It answers lines: words separated by one space;
 * texts, secrets and other bytes are in hexadecimal, and an empty one is an empty word.
 *
 *     N                       knows nothing any more of the conversation, and has no limit
 *     P 2 | 3 | 23            the versions that its policy has
 *     M size                  its network takes messages of so many characters
 *     W seconds               so much time passes for it
 *     R text                  the network brings a message
 *     S text                  its user sends one
 *     Q                       its user asks for a session
 *     SMP secret              its user compares a secret,
 *     SMPQ question secret      with a question,
 *     SMPR secret               or when asked to,
 *     SMPA                      or no longer
 *     CHEAT                   what it says next in a comparison is not true
 *     D                       its user ends the session
 *     K use about             its user wants a symmetric key
 *     X                       it ends
 *
 * What a command leads to are lines, in order, up to one with only a dot:
 *
 *     I text                  to be sent
 *     T text                  read with the keys of the session, for its user
 *     C text                  for its user, but it came in the clear
 *     E event ...             anything else, of which the suites know these; others may come
 *       E ready fingerprint       when it starts
 *       E gone_secure v3 ssid=…   a session begins,
 *       E still_secure v3 ssid=…    or takes the place of one
 *       E disconnected            we have ended it
 *       E smp ASK_FOR_SECRET | ASK_FOR_ANSWER question | SUCCESS | FAILURE | ABORT | CHEATED
 *       E symkey use about key    we have made a symmetric key
 *       E mysymkey key            it has
 *
 * It runs in an empty directory of its own and is ended by its own pid. A program that cannot obey must end.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atEnd } from '../at-end.ts'

/** How much of the program's stderr an error repeats. */
const STDERR_TAIL = 4096
/** After the end of its input the program has this long, in milliseconds, before it is killed. */
const GRACE = 5000

const toHex = (text: string | Uint8Array): string => Buffer.from(text).toString('hex')
const fromHex = (hex: string): string => Buffer.from(hex, 'hex').toString('utf8')

/** What is said is kept in `out`, `read`, `clear` and `events` until somebody takes it. */
export class OtrPeer {
  /** To be sent. */
  out: string[] = []
  /** What its user has read of ours, decrypted. */
  read: string[] = []
  /** What its user was shown that came in the clear. */
  clear: string[] = []
  /** Without the leading `E `. */
  events: string[] = []
  readonly #child: ChildProcessWithoutNullStreams
  readonly #directory: string
  readonly #pending: { resolve(): void; reject(error: Error): void }[] = []
  readonly #exit: Promise<void>
  readonly #forget: () => void
  #unread = ''
  #stderr = ''
  #gone: Error | undefined
  #fingerprint = ''

  private constructor(child: ChildProcessWithoutNullStreams, directory: string) {
    this.#child = child
    this.#directory = directory
    this.#forget = atEnd(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.#take(text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL)
    })
    // Writing to a program that has ended fails here; its exit rejects what is pending.
    child.stdin.on('error', () => undefined)
    this.#exit = new Promise((resolve) => {
      const end = (reason: string) => {
        this.#end(new Error(`the peer ended: ${reason}\n${this.#stderr}`.trim()))
        resolve()
      }
      child.on('error', (error) => end(error.message))
      // Not 'exit': the last of stdout and stderr comes between the two.
      child.on('close', (code, signal) => end(String(signal ?? code)))
    })
  }

  /** @throws {Error} when it cannot be run, or ends before it is ready; the message holds its stderr */
  static async start(command: string, args: readonly string[] = []): Promise<OtrPeer> {
    const directory = await mkdtemp(join(tmpdir(), 'xmpp-e2e-interop-'))
    const peer = new OtrPeer(spawn(command, args, { cwd: directory }), directory)
    try {
      await new Promise<void>((resolve, reject) => peer.#pending.push({ resolve, reject }))
    } catch (error) {
      await peer.stop()
      throw error
    }
    const ready = peer.event('ready')
    peer.#fingerprint = ready?.split(' ')[1] ?? ''
    peer.events = []
    return peer
  }

  /** 40 hexadecimal digits. */
  get fingerprint(): string {
    return this.#fingerprint
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

  /** The last event with this name. */
  event(name: string): string | undefined {
    return this.events.filter((event) => event === name || event.startsWith(`${name} `)).at(-1)
  }

  /** It is as if it had just started, but for its key. */
  async reset(versions: readonly number[]): Promise<void> {
    await this.#tell('N')
    await this.#tell('P', versions.join(''))
    this.out = []
    this.read = []
    this.clear = []
    this.events = []
  }

  setLimit(size: number): Promise<void> {
    return this.#tell('M', String(size))
  }
  pass(seconds: number): Promise<void> {
    return this.#tell('W', String(seconds))
  }
  receive(text: string): Promise<void> {
    return this.#tell('R', toHex(text))
  }
  send(text: string): Promise<void> {
    return this.#tell('S', toHex(text))
  }
  query(): Promise<void> {
    return this.#tell('Q')
  }
  startComparison(secret: string, question?: string): Promise<void> {
    return question === undefined
      ? this.#tell('SMP', toHex(secret))
      : this.#tell('SMPQ', toHex(question), toHex(secret))
  }
  answerComparison(secret: string): Promise<void> {
    return this.#tell('SMPR', toHex(secret))
  }
  abortComparison(): Promise<void> {
    return this.#tell('SMPA')
  }
  cheat(): Promise<void> {
    return this.#tell('CHEAT')
  }
  disconnect(): Promise<void> {
    return this.#tell('D')
  }
  shareSymmetricKey(use: number, about: Uint8Array): Promise<void> {
    return this.#tell('K', String(use), toHex(about))
  }

  #tell(...words: readonly string[]): Promise<void> {
    if (this.#gone) return Promise.reject(this.#gone)
    return new Promise<void>((resolve, reject) => {
      this.#pending.push({ resolve, reject })
      this.#child.stdin.write(`${words.join(' ')}\n`)
    })
  }

  #take(text: string): void {
    const lines = (this.#unread + text).split('\n')
    this.#unread = lines.pop() ?? ''
    for (const line of lines) this.#takeLine(line)
  }

  #takeLine(line: string): void {
    const rest = line.slice(2)
    switch (line.slice(0, 2)) {
      case '.':
        this.#pending.shift()?.resolve()
        return
      case 'I ':
        this.out.push(fromHex(rest))
        return
      case 'T ':
        this.read.push(fromHex(rest))
        return
      case 'C ':
        this.clear.push(fromHex(rest))
        return
      case 'E ':
        this.events.push(rest)
        return
      default:
        this.#end(new Error(`no answer: ${line.slice(0, 200)}`))
    }
  }

  #end(error: Error): void {
    this.#gone ??= error
    for (const { reject } of this.#pending.splice(0)) reject(error)
  }
}
