import { expect, test } from 'vitest'
import { type Connection, closing, type Listener, untilSession } from '../src/index.ts'

function line(jid?: string) {
  const listeners = new Set<Listener>()
  const connection: Connection = {
    jid,
    send: () => Promise.reject(new Error('not here')),
    request: () => Promise.reject(new Error('not here')),
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    answer: () => () => {},
  }
  const tell = (state: 'new' | 'resumed' | 'lost') => {
    for (const listener of [...listeners]) listener.session?.(state)
  }
  return { connection, listeners, tell }
}

test('it does not wait where there is a session', async () => {
  const { connection, listeners } = line('romeo@montague.example/orchard')
  await untilSession(connection, [])
  expect(listeners.size).toBe(0)
})

test.each(['new', 'resumed'] as const)(
  'it waits for a session that is %s, and leaves nothing',
  async (state) => {
    const { connection, listeners, tell } = line()
    const { signal } = closing('test')
    let isOver = false
    const waiting = untilSession(connection, [undefined, signal]).then(() => {
      isOver = true
    })
    tell('lost')
    await Promise.resolve()
    expect(isOver).toBe(false)
    tell(state)
    await waiting
    expect(listeners.size).toBe(0)
  },
)

test('it rejects with the reason of the signal that aborts', async () => {
  const { connection, listeners } = line()
  const { signal, close } = closing('scheme')
  const waiting = untilSession(connection, [closing('other').signal, signal])
  close()
  await expect(waiting).rejects.toThrow(new TypeError('scheme: it was closed'))
  expect(listeners.size).toBe(0)
  await expect(untilSession(connection, [signal])).rejects.toThrow(new TypeError('scheme: it was closed'))
  expect(listeners.size).toBe(0)
})

test('what is open tells once that it closes, and nobody who has left', () => {
  const { signal, close } = closing('scheme')
  const told: string[] = []
  const left = () => told.push('left')
  signal.addEventListener('abort', left)
  signal.addEventListener('abort', () => told.push('stays'))
  signal.removeEventListener('abort', left)
  expect([signal.aborted, signal.reason]).toEqual([false, undefined])
  close()
  close()
  expect(signal.aborted).toBe(true)
  expect(told).toEqual(['stays'])
})
