declare module '@xmpp/client' {
  import type { Element } from 'ltx'
  export interface Client {
    jid: { toString(): string } | null
    status: string
    socket: { end(): void; socket?: { close(): void } } | null
    timeout: number
    reconnect: { delay: number; stop(): void }
    streamManagement: { id?: string; on(event: string, listener: () => void): unknown }
    middleware: {
      use(f: (context: { stanza: Element }, next: () => Promise<unknown>) => Promise<unknown>): unknown
    }
    iqCallee: { get(ns: string, name: string, handler: () => unknown): void }
    on(event: string, listener: (stanza: Element) => void): this
    send(stanza: Element): Promise<void>
    start(): Promise<unknown>
    stop(): Promise<unknown>
  }
  export function client(options: {
    service: string
    domain: string
    username?: string
    password?: string
  }): Client
  export function xml(name: string, attrs?: Record<string, string>, ...children: unknown[]): Element
}
