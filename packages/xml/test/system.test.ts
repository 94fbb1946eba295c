import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { clock, MAX_TIMER_MS, random, UNREF_MS } from '../src/system.ts'

describe('randomness', () => {
  test.each([0, 1, 16, 65_536, 65_537, 200_000])('of %i bytes', (length) => {
    const bytes = random(length)
    expect(bytes).toHaveLength(length)
    // The last ones are drawn, too: eight zeroes come once in 2^64 times.
    if (length > 16) expect(bytes.subarray(-8).some((byte) => byte !== 0)).toBe(true)
  })

  test('of no length', () => {
    expect(() => random(-1)).toThrow(RangeError)
  })
})

describe('time', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('is that of the platform', () => {
    vi.setSystemTime(1_234_567)
    expect(clock.now()).toBe(1_234_567)
  })

  test('passes once, or not at all', () => {
    const calls: string[] = []
    clock.after(10, () => calls.push('ten'))
    clock.after(10, () => calls.push('never'))()
    vi.advanceTimersByTime(9)
    expect(calls).toEqual([])
    vi.advanceTimersByTime(100)
    expect(calls).toEqual(['ten'])
  })

  test.each([MAX_TIMER_MS + 1, Number.POSITIVE_INFINITY])('of %d ms does not end at once', (ms) => {
    const f = vi.fn()
    clock.after(ms, f)
    vi.advanceTimersByTime(MAX_TIMER_MS - 1)
    expect(f).not.toHaveBeenCalled()
  })
})

test.each([
  [UNREF_MS, ''],
  [UNREF_MS - 1, 'called'],
])('a timer of %i ms and the end of a Node process', (ms, output) => {
  const system = fileURLToPath(new URL('../dist/system.js', import.meta.url))
  const program = `import(${JSON.stringify(system)}).then(({ clock }) => clock.after(${ms}, () => process.stdout.write('called')))`
  const { stdout, status } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' })
  expect([stdout, status]).toEqual([output, 0])
})
