/** A program as a child of this process, from its start until it is told to end. */
import { type SpawnOptions, spawn } from 'node:child_process'
import { atEnd } from './at-end.ts'

export interface ChildProgram {
  /** For errors. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly options: Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'>
  /** How it is asked to end. */
  readonly signal: 'SIGINT' | 'SIGTERM'
  /** Whether it can be used, by all that it has said so far; throws what it says that it cannot. */
  isReady(log: string): boolean
}

/** The slowest needs two seconds on a quiet machine. */
const START_MS = 45_000
/** From being asked to end until being killed. */
const GRACE_MS = 5000

/**
 * Resolves, when it can be used, to how to end it.
 *
 * @throws {Error} with what it has said, when it does not start; it has ended then
 */
export async function startChild(program: ChildProgram): Promise<() => Promise<void>> {
  const { name, command, args, options, signal, isReady } = program
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  const killNow = () => child.kill('SIGKILL')
  const forget = atEnd(killNow)
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    // Not 'exit': the last that it says comes between the two.
    child.on('close', (code, signal) => resolve(`it ended with ${signal ?? code}`))
  })
  const stop = async () => {
    child.kill(signal)
    const kill = setTimeout(killNow, GRACE_MS)
    await ended
    clearTimeout(kill)
    forget()
  }

  let log = ''
  let timer: NodeJS.Timeout | undefined
  const outputs = [child.stdout, child.stderr].map((output) => output.setEncoding('utf8'))
  const ready = new Promise<undefined>((resolve, reject) => {
    const read = (text: string) => {
      log += text
      try {
        if (isReady(log)) resolve(undefined)
      } catch (error) {
        reject(error)
      }
    }
    for (const output of outputs) output.on('data', read)
    timer = setTimeout(() => reject(new Error(`${name} did not start\n${log}`)), START_MS)
  })
  try {
    const failure = await Promise.race([ready, ended])
    if (failure !== undefined) throw new Error(`${name} did not start: ${failure}\n${log}`)
  } catch (error) {
    await stop()
    throw error
  } finally {
    clearTimeout(timer)
  }
  // Nobody asks for the rest, but it must be read.
  for (const output of outputs) output.removeAllListeners('data').resume()
  return stop
}
