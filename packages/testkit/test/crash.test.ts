import { describe, expect, test } from 'vitest'
import { atEveryCrash, crash, TestkitError, testService } from '../src/index.ts'
import { chat, inbox, words } from './support.ts'

/** A port that notes what has taken effect. */
function disk() {
  const written: string[] = []
  return { written, write: async (text: string) => void written.push(text) }
}

const program = async (port: ReturnType<typeof disk>) => {
  for (const text of ['a', 'b', 'c']) await port.write(text)
  return 'done'
}

describe('a crash', () => {
  test.each([
    [undefined, ['a', 'b', 'c'], 'done'],
    [1, ['a'], 'crashed'],
    [2, ['a', 'b'], 'crashed'],
    [3, ['a', 'b', 'c'], 'crashed'],
    [4, ['a', 'b', 'c'], 'done'],
  ])('at %s: the call takes effect and is never heard of', async (at, written, kind) => {
    for (const mode of ['silent', 'rejecting'] as const) {
      const port = disk()
      const crashing = crash({ mode, ...(at !== undefined && { at }) })
      const outcome = await crashing.run(() => program(crashing.wrap(port)))
      expect([port.written, outcome.kind, crashing.crashed]).toEqual([written, kind, kind === 'crashed'])
    }
  })

  test('wraps frozen ports, and asks them as themselves', async () => {
    const port = Object.freeze({
      name: 'frozen',
      async whoami() {
        return this
      },
    })
    const wrapped = crash().wrap(port)
    expect([await wrapped.whoami(), wrapped.name, 'whoami' in wrapped]).toEqual([port, 'frozen', true])
  })

  test('counts over all ports, and leaves what is no promise alone', async () => {
    const crashing = crash({ at: 2 })
    const [one, two] = [disk(), disk()]
    const [a, b] = [crashing.wrap(one), crashing.wrap(two)]
    await crashing.run(async () => {
      await a.write('1')
      await b.write('2')
      await a.write('3')
    })
    expect([a.written, b.written, crashing.calls]).toEqual([['1'], ['2'], 2])
  })

  test('silent: later calls do nothing and never end; rejecting: they fail', async () => {
    for (const mode of ['silent', 'rejecting'] as const) {
      const crashing = crash({ at: 1, mode })
      const port = disk()
      const wrapped = crashing.wrap(port)
      await crashing.run(() => wrapped.write('a'))
      const pending = {}
      const outcome = await Promise.race([wrapped.write('b').catch(() => 'failed'), Promise.resolve(pending)])
      for (let i = 0; i < 5; i++) await undefined
      expect(port.written).toEqual(['a'])
      if (mode === 'silent') expect(outcome).toBe(pending)
      else await expect(wrapped.write('b')).rejects.toThrow('crashed')
    }
  })

  test.each(['silent', 'rejecting'] as const)('%s: a method that gives no promise throws', async (mode) => {
    const crashing = crash({ at: 1, mode })
    const clock = crashing.wrap({ now: () => 1, later: () => Promise.resolve(1) })
    clock.now()
    await crashing.run(() => clock.later())
    expect(() => clock.now()).toThrow('crashed')
  })

  test('rejecting: of methods that were not called before, those that are async reject, and others throw', async () => {
    const crashing = crash({ at: 1, mode: 'rejecting' })
    const port = crashing.wrap({ now: () => 1, read: async () => 1, write: async () => {} })
    await crashing.run(() => port.write())
    expect(() => port.now()).toThrow('crashed')
    await expect(port.read()).rejects.toThrow('crashed')
  })

  test('at every crash, what promises is known from the run without one', async () => {
    const seen: string[] = []
    await atEveryCrash(async (crashing) => {
      const port = crashing.wrap({
        now: () => 1,
        write: () => Promise.resolve(),
        read: () => Promise.resolve(2),
      })
      await crashing.run(() => port.write())
      try {
        seen.push(`now ${port.now()}`)
      } catch {
        seen.push('now throws')
      }
      seen.push(await Promise.resolve(port.read()).then(String, () => 'read rejects'))
    }, 'rejecting')
    // The second time it is `read` that crashes.
    expect(seen).toEqual(['now 1', '2', 'now throws', 'read rejects', 'now 1', 'read rejects'])
  })

  test('listeners of a dead program hear nothing', async () => {
    const service = testService()
    const [juliet, romeo] = [service.connect('juliet'), service.connect('romeo')]
    const crashing = crash({ at: 1 })
    const connection = crashing.wrap(romeo.connection)
    const heard: string[] = []
    connection.subscribe({ stanza: (stanza) => heard.push(stanza.name) })
    await juliet.connection.send(chat(romeo.jid, '1'))
    await service.settle()
    await crashing.run(() => connection.send(chat(juliet.jid, 'x')))
    await juliet.connection.send(chat(romeo.jid, '2'))
    await service.settle()
    expect(heard).toEqual(['message'])
  })

  test('a program that fails by itself fails', async () => {
    await expect(crash().run(() => Promise.reject(new Error('own')))).rejects.toThrow('own')
  })

  test.each([0, -1, 1.5])('not at %s', (at) => {
    expect(() => crash({ at })).toThrow(RangeError)
  })
})

test('at every crash, a program that writes before it sends never sends what it has not written', async () => {
  const outcomes: string[] = []
  const calls = await atEveryCrash(async (crashing) => {
    const service = testService()
    const [juliet, romeo] = [service.connect('juliet'), service.connect('romeo')]
    const got = inbox(romeo, 'message')
    const store = disk()
    const [port, connection] = [crashing.wrap(store), crashing.wrap(juliet.connection)]
    await crashing.run(async () => {
      await port.write('1')
      await connection.send(chat(romeo.jid, '1'))
      await port.write('2')
      await connection.send(chat(romeo.jid, '2'))
    })
    await service.settle()
    outcomes.push(`${store.written.length} written, ${words(got).length} sent`)
    expect(words(got).length).toBeLessThanOrEqual(store.written.length)
  })
  expect(calls).toBe(4)
  expect(outcomes).toEqual([
    '2 written, 2 sent',
    '1 written, 0 sent',
    '1 written, 1 sent',
    '2 written, 1 sent',
    '2 written, 2 sent',
  ])
})

test.each([
  [undefined, 'without a crash: broken'],
  [1, 'after call 1 of 3 (write): broken'],
  [3, 'after call 3 of 3 (read): broken'],
])('a scenario that fails at %s says so', async (at, message) => {
  const ran: (number | undefined)[] = []
  const failing = atEveryCrash(async (crashing) => {
    ran.push(crashing.at)
    const port = crashing.wrap({ write: async () => {}, read: async () => 1 })
    await crashing.run(async () => {
      await port.write()
      await port.write()
      await port.read()
    })
    if (crashing.at === at) throw new Error('broken')
  })
  const error: unknown = await failing.catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(TestkitError)
  expect(error).toMatchObject({ code: 'crash-scenario', message, cause: new Error('broken') })
  expect(ran).toEqual([undefined, 1, 2, 3].slice(0, (at ?? 0) + 1))
})
