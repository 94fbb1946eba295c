/**
 * The people, their devices and the server, while the story happens. Scenes say what happens; every operation
 * here does it, checks that it happened as told, counts it and shows it.
 */
import { type Element, serialize } from '@xmpp-e2e/xml'
import { act, type Block, bad, good, type Moment, seen, waits } from './block.ts'
import type { Device, Reading } from './device.ts'
import { fact } from './fact.ts'
import { glimpse, local } from './glimpse.ts'
import { Ledger } from './ledger.ts'
import { Server } from './server.ts'
import type { StoredDevice } from './stored-device.ts'

export interface Cast {
  readonly alice: StoredDevice
  readonly laptop: Device
  readonly phone: StoredDevice
}

/** A message that somebody has written, and what became of it. */
export interface Letter {
  readonly body: string
  readonly from: Device
  readonly stanza: Element
}

export class World {
  readonly server = new Server()
  readonly ledger = new Ledger()
  /** What the server keeps for Bob's laptop while that is off. */
  readonly kept: Letter[] = []
  readonly show: (moment: Moment) => Promise<void>
  #cast: Cast

  constructor(cast: Cast, show: (moment: Moment) => Promise<void>) {
    this.#cast = cast
    this.show = show
  }

  get cast(): Cast {
    return this.#cast
  }

  get devices(): readonly Device[] {
    return Object.values(this.#cast)
  }

  /** A device is another from here on: it has started again. */
  recast(changed: Partial<Cast>): void {
    this.#cast = { ...this.#cast, ...changed }
  }

  /** Writes without showing it. The server must not find the text in what it gets. */
  async write(from: Device, body: string) {
    const to = from.jid === this.cast.alice.jid ? this.cast.phone.jid : this.cast.alice.jid
    const { stanza, skipped } = await from.write(body, to, this.server)
    fact(!serialize(stanza).includes(body), `the server cannot read “${body}”`)
    return { letter: { body, from, stanza }, skipped }
  }

  /** Somebody writes: a message to all devices of the other, and the writer's own. */
  async says(from: Device, body: string, server: readonly Block[] = []): Promise<Letter> {
    const { letter, skipped } = await this.write(from, body)
    fact(skipped.length === 0, `${from.name} encrypts for every device`)
    await this.sent(letter, server)
    return letter
  }

  /** A message has left its device. */
  async sent(letter: Letter, server: readonly Block[] = [], people: readonly Block[] = []): Promise<void> {
    const { from, body, stanza } = letter
    this.ledger.of(from).written++
    for (const device of this.#addressees(stanza)) this.ledger.of(device).due++
    fact(this.#addressees(stanza).length === 2, 'a message has keys for the two other devices')
    const who = local(from.jid) === 'alice' ? 'alice' : 'bob'
    await this.show({
      people: [{ kind: 'bubble', who, device: from.name, text: body }, ...people],
      server: [...glimpse(stanza), ...server],
    })
  }

  /** Delivers a message, which must be read as it was written. */
  async read(letter: Letter, ...devices: readonly Device[]): Promise<void> {
    for (const device of devices) {
      const reading = await this.deliver(letter.stanza, device)
      fact(
        reading.kind === 'message' && reading.body === letter.body,
        `${device.name} reads “${letter.body}”, not ${JSON.stringify(reading)}`,
      )
      this.ledger.of(device).read++
    }
  }

  /** Delivers a message and shows that it is read. */
  async reads(letter: Letter, ...devices: readonly Device[]): Promise<void> {
    await this.read(letter, ...devices)
    await this.show({
      people: [good(`${namesOf(devices)} “${letter.body}”`)],
      server: [act(`delivered to ${idsOf(devices)}`)],
    })
  }

  /** The server loses the copies for these devices. */
  loses(letter: Letter, ...devices: readonly Device[]): void {
    for (const device of devices) {
      fact(this.#addressees(letter.stanza).includes(device), `it was on its way to ${device.name}`)
      this.ledger.of(device).lost++
    }
  }

  /** Delivers a message that must be refused, without leaving a trace. @returns the reason */
  async refuses(stanza: Element, device: Device): Promise<string> {
    const before = await device.digest()
    const reading = await this.deliver(stanza, device)
    fact(reading.kind === 'refused', `${device.name} refuses it`)
    fact((await device.digest()) === before, `${device.name} has not changed by what it refused`)
    this.ledger.of(device).refused++
    return reading.code
  }

  /** One delivery; a prekey that it used up is replaced in what the device publishes. */
  async deliver(stanza: Element, device: Device): Promise<Reading> {
    const reading = await device.read(this.server.delivered(stanza, device), this.server)
    this.server.publish(device, await device.bundles())
    return reading
  }

  /** Devices that are on answer key exchanges, one after another, until nobody has to. @returns how many answers */
  async handshakes(...on: readonly Device[]): Promise<number> {
    let answers = 0
    for (let before = -1; before < answers; ) {
      before = answers
      for (const device of on)
        for (const stanza of await device.answers()) {
          for (const other of this.#addressees(stanza)) await this.#takesAnswer(stanza, other)
          answers++
        }
    }
    return answers
  }

  /** The same, as it is seen. */
  async agree(...on: readonly Device[]): Promise<void> {
    const answers = await this.handshakes(...on)
    fact(answers > 0, 'somebody has answered')
    await this.show({
      people: [waits('the devices answer each other by themselves')],
      server: [seen(`${answers === 1 ? '1 message' : `${answers} messages`}, no text`)],
    })
  }

  async #takesAnswer(stanza: Element, device: Device): Promise<void> {
    const reading = await this.deliver(stanza, device)
    fact(reading.kind === 'empty', `${device.name} takes the answer: ${JSON.stringify(reading)}`)
    this.ledger.of(device).answers++
  }

  #addressees(stanza: Element): readonly Device[] {
    return this.devices.filter((device) => this.server.addressees(stanza, [device]).length > 0)
  }
}

/** Who reads. */
function namesOf(devices: readonly Device[]): string {
  const names = devices.map(({ name }) => name).join(' and ')
  return `${names} ${devices.length === 1 ? 'reads' : 'read'}`
}

export function idsOf(devices: readonly Device[]): string {
  return devices.map(({ deviceId }) => deviceId).join(' and ')
}

/** A device refuses, in words. */
export const refusal = (device: Device, why: string): Block => bad(`${device.name} refuses it: ${why}`)
