/**
 * A process that dies at a chosen moment. What it talks to goes through ports whose methods give promises: a store, a
 * connection. Between two of them a program only computes, so the moments that differ are those after each call.
 */

import { TestkitError } from './error.ts'

/**
 * - `silent`: nothing is heard any more, as when the process is gone. What waits, waits for good.
 * - `rejecting`: everything fails from then on, as when the disk or the network is gone and the process is not.
 *
 * In both, a method that gives no promise, as far as is known, throws.
 */
export type CrashMode = 'silent' | 'rejecting'

export interface CrashOptions {
  /** The call whose outcome is never heard of, counted from 1 over all ports; it takes effect. None unless given. */
  readonly at?: number
  readonly mode?: CrashMode
}

export interface Crash {
  /** The call at which it happens; `undefined` for none. */
  readonly at: number | undefined
  /**
   * The same port, whose methods count when they give promises. Functions and objects of functions that are handed to
   * it are not called after the crash.
   */
  wrap<T extends object>(port: T): T
  /** Calls so far. */
  readonly calls: number
  readonly crashed: boolean
  /** Runs a program until it is done or the crash has happened. */
  run<T>(
    program: () => Promise<T>,
  ): Promise<{ readonly kind: 'done'; readonly value: T } | { readonly kind: 'crashed' }>
}

/** Whether a method gives promises, by the number of its port and its name: as far as it has been called. */
type Kinds = Map<string, boolean>

/** @throws {RangeError} when `at` is no positive integer */
export function crash(options: CrashOptions = {}): Crash {
  return crashing(options, new Map(), [])
}

/** @param names gets the methods that are called, in order */
function crashing({ at, mode = 'silent' }: CrashOptions, kinds: Kinds, names: string[]): Crash {
  if (at !== undefined && !(Number.isSafeInteger(at) && at > 0))
    throw new RangeError('at: expected a positive integer')
  let ports = 0
  let crashed = false
  let die: () => void = () => {}
  const dead = new Promise<void>((resolve) => {
    die = () => {
      crashed = true
      resolve()
    }
  })

  const lost = (): Promise<never> =>
    mode === 'rejecting' ? Promise.reject(new Error('crashed')) : new Promise<never>(() => {})

  // It was started before the crash: its effect is not undone, only never heard of.
  const outcome = <T>(result: Promise<T>, name: string): Promise<T> => {
    const last = names.push(name) === at
    return result.finally(() => {
      if (last) die()
      return crashed ? lost() : undefined
    })
  }

  // Nothing says of a plain function that was never called whether it promises: to hang does less harm than to throw.
  const refuse = (method: unknown, promises: boolean | undefined): Promise<never> => {
    if (promises ?? (mode === 'silent' || isAsync(method))) return lost()
    throw new Error('crashed')
  }

  const muted = (argument: unknown): unknown => {
    if (typeof argument === 'function')
      return (...args: unknown[]) => (crashed ? undefined : Reflect.apply(argument, undefined, args))
    if (!isListener(argument)) return argument
    return Object.fromEntries(
      Object.entries(argument).map(([key, value]) => [
        key,
        typeof value === 'function'
          ? (...args: unknown[]) => (crashed ? undefined : Reflect.apply(value, argument, args))
          : value,
      ]),
    )
  }

  return {
    at,
    get calls() {
      return names.length
    },
    get crashed() {
      return crashed
    },
    wrap<T extends object>(port: T): T {
      // Not the port itself: a proxy must show the properties of a frozen object as they are.
      const shell: T = Object.create(Object.getPrototypeOf(port))
      const number = ++ports
      return new Proxy(shell, {
        has: (_, key) => key in port,
        get(_, key) {
          const value: unknown = Reflect.get(port, key)
          if (typeof value !== 'function') return value
          const name = `${number} ${String(key)}`
          return (...args: unknown[]) => {
            if (crashed) return refuse(value, kinds.get(name))
            const result: unknown = Reflect.apply(value, port, args.map(muted))
            const promises = result instanceof Promise
            kinds.set(name, promises)
            return promises ? outcome(result, String(key)) : result
          }
        },
      })
    },
    async run(program) {
      const done = program().then((value) => ({ kind: 'done', value }) as const)
      return Promise.race([done, dead.then(() => ({ kind: 'crashed' }) as const)])
    },
  }
}

function isAsync(method: unknown): boolean {
  return Object.prototype.toString.call(method) === '[object AsyncFunction]'
}

// Of options and data, which may be big, only what could call back is replaced.
function isListener(argument: unknown): argument is Readonly<Record<string, unknown>> {
  if (typeof argument !== 'object' || argument === null || Array.isArray(argument)) return false
  return Object.values(argument).some((value) => typeof value === 'function')
}

/**
 * Runs a scenario once without a crash, and then with one at each call that it made. `scenario` makes everything anew,
 * wraps its ports with the crash that it gets, and runs the program through it; then it looks at what is left.
 *
 * @returns how many calls there were
 * @throws {TestkitError} `crash-scenario`: where a scenario failed, with its error as `cause`
 */
export async function atEveryCrash(
  scenario: (crash: Crash) => Promise<void>,
  mode: CrashMode = 'silent',
): Promise<number> {
  // What promises is learnt from the run without a crash: ports are wrapped in the same order each time.
  const kinds: Kinds = new Map()
  const names: string[] = []
  await attempt('without a crash', () => scenario(crashing({ mode }, kinds, names)))
  for (const [i, name] of names.entries()) {
    const at = i + 1
    const where = `after call ${at} of ${names.length} (${name})`
    await attempt(where, () => scenario(crashing({ at, mode }, kinds, [])))
  }
  return names.length
}

async function attempt(where: string, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause)
    throw new TestkitError('crash-scenario', `${where}: ${what}`, { cause })
  }
}
