/**
 * Work that can be interrupted. A 1536-bit exponentiation takes some milliseconds and SMP needs two dozen in a
 * row, so what does them is a generator that stops after each: a program with a screen gives way there, a test
 * runs through.
 */
export type Slices<T> = Generator<void, T, void>

/** Does the work in one go. */
export function runSlices<T>(work: Slices<T>): T {
  for (;;) {
    const slice = work.next()
    if (slice.done) return slice.value
  }
}
