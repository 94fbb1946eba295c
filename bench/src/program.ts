/** A program of this folder as a contender. */
import { fileURLToPath } from 'node:url'
import type { Contender } from './contest.ts'

export const program = (name: string, url: URL, ...args: readonly string[]): Contender => ({
  name,
  command: process.execPath,
  args: [fileURLToPath(url), ...args],
})
