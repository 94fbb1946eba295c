/** Key generation in slices: sizes, soundness, abort, progress. */
import { describe, expect, test } from 'vitest'
import { modPow } from '../src/arithmetic/modular.ts'
import { assertPrivateKey, sign, verify } from '../src/dsa/dsa.ts'
import { generateDsaKey, isPrime, sieve } from '../src/dsa/generate.ts'
import { bitLength, bytesToInteger } from '../src/wire/integer.ts'
import { seeded } from './support.ts'

const pause = () => Promise.resolve()

/** Runs the test to its end. */
function prime(n: bigint, rounds = 20): boolean {
  const steps = isPrime(n, rounds, seeded(9), 0)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

describe('a key', () => {
  test.each([1, 2, 3])('with seed %i has primes of 1024 and 160 bits that belong together', async (seed) => {
    const key = await generateDsaKey({ random: seeded(seed), pause })
    expect(bitLength(key.p)).toBe(1024)
    expect(bitLength(key.q)).toBe(160)
    expect(prime(key.p, 5) && prime(key.q)).toBe(true)
    expect(key.g).toBe(modPow(2n, (key.p - 1n) / key.q, key.p))
    expect(() => assertPrivateKey(key)).not.toThrow()
    const digest = seeded(5)(32)
    expect(verify(key, digest, sign(key, digest))).toBe(true)
  })

  test('is the same for the same randomness only', async () => {
    const [a, b, c] = await Promise.all(
      [1, 1, 2].map((seed) => generateDsaKey({ random: seeded(seed), pause })),
    )
    expect(a).toEqual(b)
    expect([a?.p, a?.q, a?.x]).not.toContain(c?.p)
    expect(a?.q).not.toBe(c?.q)
  })
})

describe('slices', () => {
  test('one pause for each exponentiation, and progress that grows from 0 towards 1', async () => {
    const seen: number[] = []
    let pauses = 0
    await generateDsaKey({
      // Its p is the 1059th candidate, from the second c.
      random: seeded(63),
      pause: async () => {
        pauses++
      },
      onProgress: (progress) => seen.push(progress),
    })
    expect(pauses).toBe(seen.length)
    expect(pauses).toBeGreaterThan(20)
    expect(seen[0]).toBe(0)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    expect(seen.every((progress) => progress >= 0 && progress < 1)).toBe(true)
  })

  test('most candidates are thrown out without an exponentiation', async () => {
    const passed: number[] = []
    for (let seed = 10; seed < 20; seed++) {
      let pauses = 0
      let last = 0
      await generateDsaKey({
        random: seeded(seed),
        pause: async () => {
          pauses++
        },
        onProgress: (progress) => {
          last = progress
        },
      })
      const candidates = Math.log(1 - last) / Math.log(1 - 1 / 355)
      // Twenty rounds for q, and one for each of the few q before it, are not for candidates of p.
      passed.push((pauses - 20) / (candidates + 1))
    }
    expect(passed.reduce((sum, part) => sum + part, 0) / passed.length).toBeLessThan(0.25)
  })

  test('abort: at the start, and after some slices', async () => {
    const reason = new Error('enough')
    const before = generateDsaKey({ random: seeded(1), pause, signal: { aborted: true, reason } })
    await expect(before).rejects.toBe(reason)
    const controller = new AbortController()
    let pauses = 0
    const within = generateDsaKey({
      random: seeded(1),
      signal: controller.signal,
      pause: async () => {
        if (++pauses === 5) controller.abort(reason)
      },
    })
    await expect(within).rejects.toBe(reason)
    expect(pauses).toBe(5)
  })
})

test('the sieve throws out the multiples of its primes, all of them and nothing else', () => {
  const primes = [3, 5, 7, 11, 101, 1009, 39989]
  for (const half of [13n, 3n * 7n, 2n ** 89n - 1n]) {
    const step = 2n * half
    const start = 1n + step * bytesToInteger(seeded(4)(16))
    const composite = sieve(start, step, primes)
    const divided = Array.from(composite, (_, i) =>
      primes.some((prime) => (start + step * BigInt(i)) % BigInt(prime) === 0n) ? 1 : 0,
    )
    expect([...composite]).toEqual(divided)
    expect(divided).toContain(1)
  }
})

describe('Miller-Rabin', () => {
  test('all odd numbers up to 2000', () => {
    for (let n = 5; n < 2000; n += 2) {
      const divisor = Array.from({ length: n }, (_, i) => i).find((d) => d > 1 && d * d <= n && n % d === 0)
      expect(prime(BigInt(n))).toBe(divisor === undefined)
    }
  })

  test.each([561n, 1105n, 1729n, 2047n, 294409n, 3215031751n, 3825123056546413051n])(
    '%i deceives Fermat, or some fixed bases',
    (n) => {
      expect(prime(n)).toBe(false)
    },
  )

  test('large primes, and products of two', () => {
    const [a, b] = [2n ** 127n - 1n, 2n ** 521n - 1n]
    expect(prime(a) && prime(b)).toBe(true)
    expect(prime(a * b)).toBe(false)
  })
})
