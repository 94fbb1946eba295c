/**
 * The correspondent of a device that is killed again and again, with a façade of its own and the network of both, the
 * service of testkit: all that was acknowledged must be there afterwards, and nothing may be encrypted with a key that
 * was used before, which it could not open.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { features, Omemo } from '@xmpp-e2e/omemo'
import { memoryStore } from '@xmpp-e2e/store'
import { type Client, type TestService, testService } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification as policy } from '@xmpp-e2e/trust'
import { type BareJid, bare, element, ns, parse, receive, serialize, text } from '@xmpp-e2e/xml'
import { clock, random } from '@xmpp-e2e/xml/system'
import { type JsonLines, PeerError } from './json-lines.ts'

/** Requests that are under way at once, so that one always is when the other end is killed. */
export const WINDOW = 4

export const WORKER = 'worker'
const stanza = ns('jabber:client')

/** What waits to be acknowledged to the witness, or was acknowledged and not yet settled. */
interface Letter {
  readonly xml: string
  readonly body: string
}

/** A process and the session that it has. */
export interface Peer {
  readonly worker: JsonLines
  readonly client: Client
}

export class Witness {
  readonly service: TestService
  readonly account: BareJid
  readonly #omemo: Omemo
  readonly #client: Client
  #letters = 0
  /** Bodies that it wrote and has no acknowledgement of. */
  readonly unheard = new Map<string, Letter>()
  /** By reference: acknowledged, and not settled; `settling` is asked for and may or may not be so. */
  readonly unsettled = new Map<string, string>()
  readonly settling = new Map<string, string>()
  readonly settled: Letter[] = []
  /** Bodies that the other end says it has sent, and those that came in here. */
  readonly said = new Set<string>()
  readonly came = new Map<string, number>()
  readonly complaints: string[] = []
  heard = 0

  private constructor(service: TestService, client: Client, omemo: Omemo) {
    this.service = service
    this.account = bare(client.jid)
    this.#client = client
    this.#omemo = omemo
    omemo.on((event) => {
      if (event.kind === 'follow-up-failed') this.complaints.push(`witness, ${event.what}: ${event.error}`)
    })
    client.connection.subscribe({
      stanza: (el) => {
        const received = receive(el, { account: this.account })
        if (received.kind !== 'message' || !omemo.claims(received.stanza)) return
        this.#reading.push(
          omemo.decrypt(received).then(async (opened) => {
            if (opened.kind === 'unreadable')
              this.complaints.push(`witness: ${opened.code} ${JSON.stringify(opened.detail)}`)
            else if (opened.kind === 'silent' && opened.why === 'duplicate')
              this.complaints.push('a duplicate')
            if (opened.kind !== 'message') return
            const body = text(opened.content[0] ?? element('jabber:client', 'body'))
            this.came.set(body, (this.came.get(body) ?? 0) + 1)
            await omemo.settle([opened.ref])
          }),
        )
      },
    })
  }

  readonly #reading: Promise<void>[] = []

  static async start(): Promise<Witness> {
    const service = testService({ idle: () => new Promise((done) => setImmediate(done)), now: Date.now() })
    const client = service.connect('witness')
    const { connection } = client
    const account = bare(client.jid)
    const omemo = await Omemo.open({ account, connection, policy, clock, random, store: memoryStore() })
    client.presence({ features: [...features] })
    service.subscribeBoth('witness', WORKER)
    await omemo.start()
    return new Witness(service, client, omemo)
  }

  /** Gives a process a new session, which ends the one of that resource before. */
  attach(worker: JsonLines, resource: string): Peer {
    const client = this.service.connect(WORKER, { resource })
    client.wire.subscribe({
      stanza: (el) => void worker.request('in', { xml: serialize(el) }).catch(() => undefined),
    })
    client.presence({ features: [...features] })
    const pass = async (): Promise<void> => {
      for (;;)
        for (const xml of await worker.request<readonly string[]>('out', {}))
          await client.wire.send(parse(xml)).catch(() => undefined)
    }
    pass().catch(() => undefined)
    return { worker, client }
  }

  /** Something for the other end, on no wire yet. */
  async write(): Promise<string> {
    const body = `to the other end, ${++this.#letters}`
    const to = this.service.account(WORKER)
    const message = stanza('message', { to, type: 'chat' }, stanza('body', {}, body))
    const sent = await this.#omemo.encrypt(message, [to])
    if (sent.kind === 'refused') throw new Error(`refused: ${JSON.stringify(sent)}`)
    const [{ name, ns: of, attrs, children }] = sent.stanzas
    const xml = serialize(element(of, name, { ...attrs, from: this.#client.jid }, children))
    this.unheard.set(body, { xml, body })
    return body
  }

  /** Delivers it, perhaps once more; mostly it is settled then. */
  async hear({ worker }: Peer, body: string): Promise<void> {
    const letter = this.unheard.get(body)!
    const opened = await worker.request<{ kind: string; ref: string; body: string }>('receive', {
      xml: letter.xml,
    })
    deepEqual([opened.kind, opened.body], ['message', body])
    this.unheard.delete(body)
    this.heard += 1
    this.unsettled.set(opened.ref, body)
    if (randomInt(4) === 0) return
    this.unsettled.delete(opened.ref)
    this.settling.set(opened.ref, body)
    await worker.request('settle', { ref: opened.ref })
    this.settling.delete(opened.ref)
    this.settled.push(letter)
  }

  async ask({ worker }: Peer, body: string): Promise<void> {
    await worker.request('send', { to: this.account, body })
    this.said.add(body)
  }

  /** Ends when `enough` says so, or rejects when the other end is no more and all that was under way has settled. */
  async converse(peer: Peer, enough: (acks: number) => boolean): Promise<void> {
    let acks = 0
    const waiting = [...this.unheard.keys()]
    const line = async (): Promise<void> => {
      while (!enough(acks)) {
        const again = waiting.shift()
        if (again !== undefined) await this.hear(peer, again)
        else if (randomInt(2) === 0) await this.hear(peer, await this.write())
        else await this.ask(peer, `from the other end, ${randomInt(2 ** 47)}`)
        acks++
      }
    }
    const lines = await Promise.allSettled(Array.from({ length: WINDOW }, line))
    for (const each of lines) if (each.status === 'rejected') throw each.reason
  }

  /** All that was acknowledged is here, once, and there, once. @throws {AssertionError} unless it is so */
  async compare({ worker }: Peer): Promise<void> {
    await this.service.settle()
    await Promise.all(this.#reading.splice(0))
    deepEqual(this.complaints, [])
    deepEqual(await worker.request('complaints', {}), [])
    for (const body of this.said) equal(this.came.get(body), 1, `${body} came ${this.came.get(body)} times`)
    for (const [body, times] of this.came) equal(times, 1, `${body} came ${times} times`)
    const kept = new Map(Object.entries(await worker.request<Record<string, string>>('unsettled', {})))
    for (const [ref, body] of this.unsettled) equal(kept.get(ref), body, 'acknowledged, and not kept')
    const others = [...kept].filter(([ref]) => !this.unsettled.has(ref))
    // Opened or not yet settled when it was killed, and never told.
    for (const [ref, body] of others)
      ok(this.unheard.has(body) || this.settling.get(ref) === body, `${body} is kept`)
    const last = this.settled.at(-1)
    if (last)
      deepEqual(await worker.request('receive', { xml: last.xml }), { kind: 'silent', why: 'duplicate' })
  }

  async close(): Promise<void> {
    await this.#omemo.close()
  }
}

/** Whether it is only that the process has ended. */
export function isEnd(error: unknown): boolean {
  return error instanceof PeerError && error.code === 'exited'
}
