/** Clients with the façade on the service of `@xmpp-e2e/testkit`, whose connections and stores fail when they are told to. */
import { memoryStore, type Store } from '@xmpp-e2e/store'
import { type TestService, testService } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification } from '@xmpp-e2e/trust'
import {
  type BareJid,
  bare,
  type Connection,
  type Element,
  elements,
  type Received,
  receive,
  text,
} from '@xmpp-e2e/xml'
import { type Decrypted, Otr, type OtrEvent, type OtrOptions } from '../src/index.ts'
import { encodeDevice } from '../src/record.ts'
import { chat } from './facade.ts'
import { keyOf } from './sides.ts'

export type Client = ReturnType<TestService['connect']>

export interface Person {
  readonly account: BareJid
  readonly jid: string
  readonly client: Client
  readonly otr: Otr
  readonly store: Store
  readonly events: OtrEvent[]
  /** What came of each message, in order. */
  readonly decrypted: Decrypted[]
  /** What `decrypt` rejected with. */
  readonly failures: unknown[]
  /** Texts that were read, encrypted. */
  read(): readonly string[]
  isEncrypted(): boolean
}

export interface PersonOptions extends Partial<Omit<OtrOptions, 'account' | 'connection' | 'store'>> {
  readonly resource?: string
  /** Which key; another for each number. */
  readonly seed?: number
  readonly store?: Store
  /** Called before a stanza is sent; what it throws is what `send` rejects with. */
  onSend?(stanza: Element): void
  /** How the host goes on when `decrypt` rejects; it lets it be unless given. */
  onFailure?(again: () => Promise<Decrypted>): Promise<Decrypted>
}

/** Slices of work wait for their turn, and not for the clock to be moved. */
export function clockOf({ clock }: TestService): OtrOptions['clock'] {
  return {
    now: () => clock.now(),
    after(ms, f) {
      if (ms > 0) return clock.after(ms, f)
      let isStopped = false
      void Promise.resolve().then(() => isStopped || f())
      return () => {
        isStopped = true
      }
    },
  }
}

/** A service with two accounts that see each other. */
export function verona(seed: number): TestService {
  const service = testService({ seed })
  service.subscribeBoth('romeo', 'juliet')
  return service
}

/** Starts a client, or starts it again: with the store of the first. */
export async function person(
  service: TestService,
  name: string,
  options: PersonOptions = {},
): Promise<Person> {
  const { resource = 'phone', seed = name.length, onSend, onFailure, ...given } = options
  const { store = memoryStore(), ...otr } = given
  const client = service.connect(name, { resource })
  const { connection: own } = client
  const connection: Connection = {
    get jid() {
      return own.jid
    },
    async send(stanza) {
      onSend?.(stanza)
      await own.send(stanza)
    },
    request: (iq, how) => own.request(iq, how),
    subscribe: (listener) => own.subscribe(listener),
    answer: (namespace, f) => own.answer(namespace, f),
  }
  const account = bare(client.jid)
  await giveKey(store, account, seed)
  const made = await Otr.open({
    policy: blindTrustBeforeVerification,
    random: (length) => service.random(length),
    clock: clockOf(service),
    ...otr,
    account,
    connection,
    store,
  })
  const events: OtrEvent[] = []
  made.on((event) => events.push(event))
  const decrypted: Decrypted[] = []
  const failures: unknown[] = []
  const open = async (received: Received): Promise<void> => {
    const decrypt = () => made.decrypt(received)
    try {
      decrypted.push(await decrypt().catch(onFailure === undefined ? throwAgain : () => onFailure(decrypt)))
    } catch (error) {
      failures.push(error)
    }
  }
  own.subscribe({
    stanza(stanza) {
      const received = receive(stanza, { account })
      if (received.kind === 'message') void open(received)
    },
  })
  client.presence()
  await service.settle()
  return {
    account,
    jid: client.jid,
    client,
    otr: made,
    store,
    events,
    decrypted,
    failures,
    read: () =>
      decrypted.flatMap((one) => (one.kind === 'message' ? [text(elements(one.stanza)[0] as Element)] : [])),
    isEncrypted: () =>
      made.sessions().some(({ session, selected }) => selected && session.state === 'encrypted'),
  }
}

async function giveKey(store: Store, account: BareJid, seed: number): Promise<void> {
  const name = `otr/${account}/device`
  const [stored] = await store.read([name])
  if (stored?.value !== undefined) return
  await store.commit([], {
    put: [[name, encodeDevice({ tag: 0x100 + seed, key: keyOf(seed % 7) }, account)]],
  })
}

function throwAgain(error: unknown): never {
  throw error
}

/** A store that does as `onCommit` says before, or instead. */
export function failingStore(onCommit: (commit: () => Promise<boolean>) => Promise<boolean>): Store {
  const memory = memoryStore()
  return {
    read: (names) => memory.read(names),
    list: (prefix) => memory.list(prefix),
    commit: (tokens, batch) => onCommit(() => memory.commit(tokens, batch)),
  }
}

export function say(from: Person, to: Person, words: string): Promise<Awaited<ReturnType<Otr['send']>>> {
  return from.otr.send(chat(to.account, words), [to.account])
}

/** Each reads what the other writes next. */
export async function areTogether(service: TestService, a: Person, b: Person): Promise<boolean> {
  const words = `${service.transcript.length}`
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    if ((await say(from, to, words)).kind !== 'encrypted') return false
    await service.settle()
    if (to.read().at(-1) !== words) return false
  }
  return true
}

/** Time for all retries of a key exchange (3 to 5 seconds each), and for no more. */
export async function untilRetried(service: TestService): Promise<void> {
  await service.settle()
  await service.advance(20_000)
}

/** Compares a secret, from the question to the end, if nothing is lost. */
export async function compare(service: TestService, asks: Person, answers: Person): Promise<void> {
  await asks.otr.compare(answers.account, 'tiger')
  await service.settle()
  await answers.otr.answer(asks.account, 'tiger')
  await service.settle()
}

export function smpResults({ events }: Person): readonly string[] {
  return events.flatMap((event) => (event.kind === 'smp-ended' ? [event.result] : []))
}
