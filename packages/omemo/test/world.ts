/** Devices with the façade, on the service of testkit: what most tests of the façade begin with. */
import { memoryStore, type Store } from '@xmpp-e2e/store'
import { type Client, type TestService, testService } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification } from '@xmpp-e2e/trust'
import { type BareJid, type Element, element, type Received, receive, text } from '@xmpp-e2e/xml'
import { features, Omemo, type OmemoEvent, type OmemoOptions } from '../src/index.ts'

export interface TestDevice {
  readonly account: BareJid
  readonly client: Client
  readonly store: Store
  readonly omemo: Omemo
  readonly events: OmemoEvent[]
  /** Messages that came in since the last call, with OMEMO or without. */
  arrived(): readonly Received[]
}

export interface DeviceOptions extends Partial<Omit<OmemoOptions, 'account'>> {
  readonly resource?: string
  /** Opens the façade and does nothing on the network. */
  readonly isStarted?: boolean
}

export interface World {
  readonly service: TestService
  /** A device of that account: connected, available, started unless told otherwise. */
  device(name: string, options?: DeviceOptions): Promise<TestDevice>
}

export function world(options: Parameters<typeof testService>[0] = {}): World {
  const service = testService(options)
  let clients = 0
  return {
    service,
    async device(name, { resource = `device-${++clients}`, isStarted = true, ...given } = {}) {
      const account = service.account(name)
      const client = service.connect(name, { resource })
      const { connection } = client
      const store = given.store ?? memoryStore()
      const { clock } = service
      const random = (length: number) => service.random(length)
      const policy = blindTrustBeforeVerification
      const omemo = await Omemo.open({ account, connection, clock, random, policy, ...given, store })
      const events: OmemoEvent[] = []
      omemo.on((event) => events.push(event))
      let inbox: Received[] = []
      connection.subscribe({
        stanza(stanza) {
          const received = receive(stanza, { account })
          if (received.kind === 'message') inbox.push(received)
        },
      })
      client.presence({ features: [...features] })
      if (isStarted) await service.finish(omemo.start())
      await service.settle()
      return {
        account,
        client,
        store,
        omemo,
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
