/** What happened to every copy of every message, device by device. */
import type { Device } from './device.ts'

export interface Account {
  written: number
  /** Copies with text that were meant for this device. */
  due: number
  read: number
  lost: number
  /** Refused: changed on the way, or read before. */
  refused: number
  /** Messages without text, by which sessions are agreed upon. */
  answers: number
}

export class Ledger {
  readonly #accounts = new Map<string, Account>()

  /** A device keeps its account when it starts again. */
  of({ name }: Pick<Device, 'name'>): Account {
    const account = this.#accounts.get(name) ?? {
      written: 0,
      due: 0,
      read: 0,
      lost: 0,
      refused: 0,
      answers: 0,
    }
    this.#accounts.set(name, account)
    return account
  }
}
