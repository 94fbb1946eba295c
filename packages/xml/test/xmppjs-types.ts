/**
 * What `@types/xmpp__client` 0.14.1 declares, as far as the adapter uses it: overloads of `on`, stream management that is
 * no emitter, `xml` with the parameters of ltx. That this compiles is the test.
 */

import type { Connection, GuardOptions } from '../src/connection.ts'
import { fromLtx } from '../src/ltx.ts'
import { connection } from '../src/xmppjs.ts'

interface Element {
  name: string
  parent: Element | null
  children: (Element | string)[]
  // biome-ignore lint/suspicious/noExplicitAny: as declared
  attrs: { [attrName: string]: any }
}

interface Events {
  error: (error: Error) => void
  stanza: (el: Element) => void
  nonza: (el: Element) => void
  online: (jid: { toString(): string }) => void
  offline: (el: Element) => void
  disconnect: (result: { clean: boolean; event: unknown }) => void
}

interface Client {
  jid: { toString(): string } | null
  status: 'online' | 'offline'
  NS: string
  socket: { end(): void } | null
  streamManagement: { allowResume: boolean; enabled: boolean; id: string; max: number | null }
  middleware: {
    use<M extends (context: { stanza: Element }, next: () => Promise<unknown>) => unknown>(middleware: M): M
  }
  on<E extends keyof Events>(event: E, listener: Events[E]): this
  // biome-ignore lint/suspicious/noExplicitAny: as declared
  on(event: string | symbol, listener: (...args: any[]) => void): this
  send(element: Element, ...args: unknown[]): Promise<void>
}

// biome-ignore lint/suspicious/noExplicitAny: as declared
type Xml = (name: string, attrs?: string | { [name: string]: any }, ...children: any[]) => Element

export function published(xmpp: Client, xml: Xml, options: GuardOptions): Connection {
  xmpp.middleware.use(async ({ stanza }, next) => (fromLtx(stanza).name === 'message' ? undefined : next()))
  return connection(xmpp, { ...options, xml })
}
