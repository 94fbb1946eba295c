/**
 * The end of a ratchet session that keeps running while whoever has the other one is killed again and again: all that
 * was acknowledged to it must be there afterwards, whole, and no message key may be used twice.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { type End, type Journal, type Letter, open, seal } from './ratchet.ts'

/** Requests that are under way at once, so that one always is when the other end is killed. */
export const WINDOW = 4

/** The other end; what it resolves was committed. */
export interface Peer {
  send(body: string): Promise<{ readonly n: number; readonly letter: Letter }>
  receive(id: string, letter: Letter): Promise<string>
}

export class Witness {
  #end: End
  #letters = 0
  readonly #unsaid = new Set<string>()
  /** What it wrote and has no acknowledgement of. */
  readonly unheard = new Map<string, { readonly letter: Letter; readonly body: string }>()
  /** What the other end has acknowledged, by the number or the id of the message. */
  readonly sent = new Map<number, string>()
  readonly received = new Map<string, string>()

  constructor(end: End) {
    this.#end = end
  }

  write(): string {
    const id = `${++this.#letters}`
    const body = `to the other end, ${id}`
    const { end, letter } = seal(this.#end, body)
    this.#end = end
    this.unheard.set(id, { letter, body })
    return id
  }

  async hear(peer: Peer, id: string): Promise<void> {
    const { letter, body } = this.unheard.get(id)!
    equal(await peer.receive(id, letter), body)
    this.unheard.delete(id)
    this.received.set(id, body)
  }

  async ask(peer: Peer, body: string): Promise<void> {
    const { n, letter } = await peer.send(body)
    // A key that was used before is an error here.
    const opened = open(this.#end, letter)
    this.#end = opened.end
    equal(opened.body, body)
    ok(!this.sent.has(n), `${n} twice`)
    this.sent.set(n, body)
  }

  /** Ends when `enough` says so, or rejects when the other end is no more and all that was under way has settled. */
  async converse(peer: Peer, enough: (acks: number) => boolean): Promise<void> {
    let acks = 0
    const waiting = [...this.unheard.keys()]
    const line = async (): Promise<void> => {
      while (!enough(acks)) {
        const again = waiting.shift()
        if (again !== undefined) await this.hear(peer, again)
        else if (randomInt(2) === 0) await this.hear(peer, this.write())
        else await this.ask(peer, `from the other end, ${randomInt(2 ** 32)}`)
        acks++
      }
    }
    const lines = await Promise.allSettled(Array.from({ length: WINDOW }, line))
    for (const each of lines) if (each.status === 'rejected') throw each.reason
  }

  /**
   * All that was acknowledged is there, and nothing else but what was under way when the other end was killed: at most
   * so much. Says how much that is.
   *
   * @throws {AssertionError} unless it is so
   */
  compare({ sent, received }: Journal, underWay: number): number {
    for (const [n, body] of this.sent) equal(sent[n], body)
    for (const [id, body] of this.received) equal(received[id], body)
    const unsaid = Object.keys(sent).filter((n) => !this.sent.has(Number(n)) && !this.#unsaid.has(n))
    const unheard = Object.keys(received).filter((id) => !this.received.has(id))
    for (const id of unheard) equal(received[id], this.unheard.get(id)?.body)
    for (const n of unsaid) this.#unsaid.add(n)
    deepEqual(
      Object.keys(sent).map(Number),
      Object.keys(sent).map((_, i) => i),
    )
    ok(unsaid.length + unheard.length <= underWay, `more than ${underWay} that nobody was told of`)
    return unsaid.length + unheard.length
  }
}
