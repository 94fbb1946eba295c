/** What the contenders of OTR in JavaScript have in common. */
import { readFileSync } from 'node:fs'
import type { Row } from '../contender.ts'

export const SECRET = 'a secret'
const MESSAGE = 'a'.repeat(200)
/** As base64 it makes some 100 000 characters, 100 for each of the 1000 fragments. */
const LONG_MESSAGE = 'a'.repeat(76_000)
const FRAGMENTS = 1000

type Done = void | Promise<void>

/** Two ends, Alice and Bob, and what is asked of them. Whatever does not succeed throws. */
export interface Pair {
  /** Forgets what was, and leads to a session of version 3: Bob is asked, Alice answers his commit. */
  exchangeKeys(): Done
  /** From one end to the other, where it is read. */
  say(from: 'alice' | 'bob', text: string): Done
  /** What Alice would send. */
  encrypt(text: string): string | Promise<string>
  /** Bob reads `text` in these pieces. */
  join(pieces: readonly string[], text: string): Done
  /** Alice asks, and both find out that the secrets are the same. */
  compare(): Done
  generateKey(): Done
}

export function rowsOf(pair: Pair): Readonly<Record<string, Row>> {
  const inSession = (work: () => Done): Row => {
    return async (count) => {
      await pair.exchangeKeys()
      return repeat(count, work)
    }
  }
  return {
    ake: (count) => repeat(count, () => pair.exchangeKeys()),
    message: inSession(() => pair.say('alice', MESSAGE)),
    'ping-pong': inSession(async () => {
      await pair.say('alice', MESSAGE)
      await pair.say('bob', MESSAGE)
    }),
    smp: inSession(() => pair.compare()),
    key: (count) => repeat(count, () => pair.generateKey()),
    async fragments(count) {
      await pair.exchangeKeys()
      const messages: string[] = []
      while (messages.length < count) messages.push(await pair.encrypt(LONG_MESSAGE))
      const pieces = messages.map(fragmentsOf)
      return async () => {
        for (const each of pieces) await pair.join(each, LONG_MESSAGE)
      }
    },
  }
}

function repeat(count: number, work: () => Done): () => Promise<void> {
  return async () => {
    for (let i = 0; i < count; i++) await work()
  }
}

/** A message of version 3, whose header names both instances, in 1000 pieces. */
function fragmentsOf(message: string): readonly string[] {
  const header = Buffer.from(message.slice('?OTR:'.length, 40), 'base64')
  const tags = `${header.toString('hex', 3, 7)}|${header.toString('hex', 7, 11)}`
  const digits = (number: number) => String(number).padStart(5, '0')
  const at = (index: number) => Math.floor((index * message.length) / FRAGMENTS)
  return Array.from(
    { length: FRAGMENTS },
    (_, i) => `?OTR|${tags},${digits(i + 1)},${digits(FRAGMENTS)},${message.slice(at(i), at(i + 1))},`,
  )
}

/** The private keys of Alice and Bob, in the file that the contender is started with. */
export function readKeyFile(): string {
  const [, , path] = process.argv
  if (path === undefined) throw new Error('expected one argument, a file of private keys')
  return readFileSync(path, 'utf8')
}
