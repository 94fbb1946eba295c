/** The model's network: messages wait until they are delivered, dropped, repeated or moved to the archive. */
import { OmemoError } from '../../src/error.ts'
import type { Protocol } from '../../src/protocol.ts'
import { Device, type Kind } from './device.ts'

interface Envelope {
  readonly number: number
  readonly from: number
  readonly to: number
  readonly data: Uint8Array
  readonly sentAt: number
}

export interface Delivery {
  readonly envelope: Envelope
  readonly result: 'opened' | 'duplicate' | OmemoError['code']
}

/** Devices and the messages between them: it checks at each step what must hold whatever it does to them. */
export class Network {
  readonly devices: readonly Device[]
  readonly #protocol: Protocol
  readonly log: Delivery[] = []
  waiting: Envelope[] = []
  archived: Envelope[] = []
  #sent = 0
  #now = 1_700_000_000_000
  readonly #opened = new Set<number>()
  readonly #positions = new Set<string>()

  constructor(protocol: Protocol, kinds: readonly Kind[]) {
    this.#protocol = protocol
    this.devices = kinds.map((kind, i) => new Device(i, kind, protocol))
  }

  send(from: number, to: number, ephemeralKey?: Uint8Array): Envelope {
    const number = this.#sent++
    const sender = this.devices[from] as Device
    const data = sender.encrypt(this.devices[to] as Device, text(number), ++this.#now, ephemeralKey)
    this.#assertFreshPosition(data)
    const envelope = { number, from, to, data, sentAt: this.#now }
    this.waiting.push(envelope)
    return envelope
  }

  /** A new session in place of the one there is, as a person asks for it. */
  replace(from: number, to: number): void {
    const peer = this.devices[to] as Device
    this.devices[from]?.initiate(peer, ++this.#now)
  }

  /** Sends a message and delivers it, and what that causes. */
  exchange(from: number, to: number): Delivery['result'] {
    const envelope = this.send(from, to)
    this.take(this.waiting.indexOf(envelope), 'waiting')
    const result = this.deliver(envelope, 'live')
    this.drain()
    return result
  }

  /** Delivers and says what became of it. A failure must leave the device byte-identical. */
  deliver(envelope: Envelope, channel: 'live' | 'archive'): Delivery['result'] {
    const device = this.devices[envelope.to] as Device
    const before = device.snapshot()
    const result = this.#open(device, envelope, channel, before)
    this.log.push({ envelope, result })
    return result
  }

  #open(device: Device, envelope: Envelope, channel: 'live' | 'archive', before: string): Delivery['result'] {
    try {
      const sentAt = channel === 'archive' ? envelope.sentAt : ++this.#now
      const opened = device.decrypt(envelope.from, envelope.data, { channel, sentAt })
      if (this.#opened.has(envelope.number)) throw new Error(`message ${envelope.number} was opened twice`)
      if (text(envelope.number).join() !== opened.plaintext.join()) throw new Error('another plaintext')
      this.#opened.add(envelope.number)
      if (opened.completion) this.send(envelope.to, envelope.from, opened.ephemeralKey)
      return 'opened'
    } catch (error) {
      if (!(error instanceof OmemoError)) throw error
      if (device.snapshot() !== before) throw new Error(`${error.code} has changed state`, { cause: error })
      return this.#opened.has(envelope.number) ? 'duplicate' : error.code
    }
  }

  /** A sender's (ratchet key, counter) names one message key: it must never come twice. */
  #assertFreshPosition(data: Uint8Array): void {
    const { wire } = this.#protocol
    const inner = wire.isKeyExchange(data) ? wire.decodeKeyExchange(data).message : data
    const { ratchetKey, counter } = wire.decodeRatchetMessage(wire.decodeAuthenticated(inner).message)
    const position = `${ratchetKey.join()}/${counter}`
    if (this.#positions.has(position)) throw new Error('a message key was used twice')
    this.#positions.add(position)
  }

  take(index: number, from: 'waiting' | 'archived'): Envelope | undefined {
    const list = this[from]
    if (list.length === 0) return undefined
    return list.splice(index % list.length, 1)[0]
  }

  /** Delivers all that is under way, oldest first, and what that causes. */
  drain(): void {
    for (;;) {
      const next = this.take(0, 'waiting')
      if (next === undefined) return
      this.deliver(next, 'live')
    }
  }
}

function text(number: number): Uint8Array {
  return Uint8Array.from(`message ${number}`, (c) => c.charCodeAt(0))
}
