/** Clients with the façade, on the service of testkit: what most tests of the façade begin with. */
import { memoryStore, type Store } from '@xmpp-e2e/store'
import { type Client, type TestService, testService } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification } from '@xmpp-e2e/trust'
import { type BareJid, type Element, element, type Received, receive, text } from '@xmpp-e2e/xml'
import { features, Ox, type OxEvent, type OxOptions } from '../src/index.ts'

export interface TestClient {
  readonly account: BareJid
  readonly client: Client
  readonly store: Store
  readonly ox: Ox
  readonly events: OxEvent[]
  /** Messages that came in since the last call, encrypted or not. */
  arrived(): readonly Received[]
}

export interface ClientOptions extends Partial<Omit<OxOptions, 'account'>> {
  readonly resource?: string
  /** Opens the façade and does nothing on the network. */
  readonly isStarted?: boolean
  /** Makes a key, unless told otherwise. */
  readonly hasKey?: boolean
}

export interface World {
  readonly service: TestService
  /**
   * As `finish` of the service, for what waits for the platform's cryptography too: time only passes when nothing has come of
   * that for a while.
   */
  finish<T>(promise: Promise<T>): Promise<T>
  /** Until all is quiet, the platform included. */
  settle(): Promise<void>
  /** A client of that account: connected, available, started unless told otherwise. */
  client(name: string, options?: ClientOptions): Promise<TestClient>
}

/** Turns of the event loop that the platform's cryptography is given, a millisecond each. */
const PATIENCE = 12
/** Of the service's time, when it is not the platform that is waited for. */
const STEP_MS = 1000

function platform(): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, 1))
}

export function world(options: Parameters<typeof testService>[0] = {}): World {
  const service = testService(options)
  let clients = 0
  async function finish<T>(promise: Promise<T>): Promise<T> {
    let isOver = false
    const over = () => {
      isOver = true
    }
    promise.then(over, over)
    for (let quiet = 0; ; quiet++) {
      await service.settle()
      if (isOver) return promise
      await platform()
      if (quiet % PATIENCE === PATIENCE - 1) await service.advance(STEP_MS)
      if (quiet > 1000 * PATIENCE) throw new Error('what is waited for never happens')
    }
  }
  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < PATIENCE; quiet++) {
      await service.settle()
      await platform()
    }
  }
  return {
    service,
    finish,
    settle,
    async client(name, { resource = `client-${++clients}`, isStarted = true, hasKey = true, ...given } = {}) {
      const account = service.account(name)
      const client = service.connect(name, { resource })
      const { connection } = client
      const store = given.store ?? memoryStore()
      const { clock } = service
      const random = (length: number) => service.random(length)
      const policy = blindTrustBeforeVerification
      const ox = await Ox.open({ account, connection, clock, random, policy, ...given, store })
      const events: OxEvent[] = []
      ox.on((event) => events.push(event))
      let inbox: Received[] = []
      connection.subscribe({
        stanza(stanza) {
          const received = receive(stanza, { account })
          if (received.kind === 'message') inbox.push(received)
        },
      })
      client.presence({ features: [...features] })
      if (hasKey) await finish(ox.generate())
      if (isStarted) await finish(ox.start())
      await settle()
      return {
        account,
        client,
        store,
        ox,
        events,
        arrived() {
          const found = inbox
          inbox = []
          return found
        },
      }
    },
  }
}

/** A chat message to somebody. */
export function chat(to: string, body: string, id = body): Element {
  return element('jabber:client', 'message', { to, type: 'chat', id }, [
    element('jabber:client', 'body', {}, body),
  ])
}

/** The text of the body among some content. */
export function bodyOf(content: readonly Element[]): string | undefined {
  const body = content.find(({ name, ns }) => name === 'body' && ns === 'jabber:client')
  return body && text(body)
}
