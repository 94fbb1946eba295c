/**
 * A process that dies at a chosen moment. What it talks to goes through ports whose methods give promises: a store, a
 * connection. Between two of them a program only computes, so the moments that differ are those after each call.
 */

/**
 * - `silent`: nothing is heard any more, as when the process is gone. What waits, waits for good.
 * - `rejecting`: everything fails from then on, as when the disk or the network is gone and the process is not.
 */
export type CrashMode = 'silent' | 'rejecting'

export interface CrashOptions {
  /** The call whose outcome is never heard of, counted from 1 over all ports; it takes effect. None unless given. */
  readonly at?: number
  readonly mode?: CrashMode
}

export interface Crash {
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

/** @throws {RangeError} when `at` is no positive integer */
export function crash({ at, mode = 'silent' }: CrashOptions = {}): Crash {
  if (at !== undefined && !(Number.isSafeInteger(at) && at > 0))
    throw new RangeError('at: expected a positive integer')
  let calls = 0
  let crashed = false
  let die: () => void = () => {}
  const dead = new Promise<void>((resolve) => {
    die = () => {
      crashed = true
      resolve()
    }
  })

  const outcome = <T>(result: Promise<T>): Promise<T> => {
    calls++
    // It was started before the crash: its effect is not undone, only never heard of.
    const last = calls === at
    const after = (settle: () => void): void => {
      if (last) die()
      if (!crashed) settle()
    }
    return new Promise<T>((resolve, reject) => {
      const fail = () => reject(new Error('crashed'))
      result.then(
        (value) => {
          after(() => resolve(value))
          if (crashed && mode === 'rejecting') fail()
        },
        (error: unknown) => {
          after(() => reject(error))
          if (crashed && mode === 'rejecting') fail()
        },
      )
    })
  }

  const refused = (): Promise<never> =>
    mode === 'rejecting' ? Promise.reject(new Error('crashed')) : new Promise<never>(() => {})

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
    get calls() {
      return calls
    },
    get crashed() {
      return crashed
    },
    wrap<T extends object>(port: T): T {
      // Not the port itself: a proxy must show the properties of a frozen object as they are.
      const shell: T = Object.create(Object.getPrototypeOf(port))
      return new Proxy(shell, {
        has: (_, key) => key in port,
        get(_, key) {
          const value: unknown = Reflect.get(port, key)
          if (typeof value !== 'function') return value
          return (...args: unknown[]) => {
            if (crashed) return refused()
            const result: unknown = Reflect.apply(value, port, args.map(muted))
            return result instanceof Promise ? outcome(result) : result
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
 */
export async function atEveryCrash(
  scenario: (crash: Crash) => Promise<void>,
  mode: CrashMode = 'silent',
): Promise<number> {
  const whole = crash({ mode })
  await scenario(whole)
  const { calls } = whole
  for (let at = 1; at <= calls; at++) await scenario(crash({ at, mode }))
  return calls
}
