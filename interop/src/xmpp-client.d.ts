/** What is used of `@xmpp/client`, which has no types of its own. */
declare module '@xmpp/client' {
  export interface Element {
    readonly name: string
    readonly attrs: Record<string, string>
    readonly children: (Element | string)[]
    readonly parent?: Element | null
  }
  export interface Client {
    readonly jid: { toString(): string } | null
    readonly status: string
    timeout: number
    readonly NS: string
    readonly socket: {
      /** Of TLS or WebSocket. */
      readonly socket?: { destroy?(): void; terminate?(): void } | null
      destroy?(): void
    } | null
    readonly middleware: {
      use(f: (context: { stanza: Element }, next: () => Promise<unknown>) => Promise<unknown>): unknown
    }
    readonly reconnect: { stop(): void; scheduleReconnect(): void }
    readonly streamManagement: { id?: string; on(event: string, listener: () => void): unknown }
    on(event: 'error', listener: (error: Error) => void): this
    on(event: string, listener: (stanza: Element) => void): this
    send(stanza: Element): Promise<void>
    start(): Promise<unknown>
    stop(): Promise<unknown>
  }
  export interface Options {
    readonly service: string
    readonly domain?: string
    readonly username?: string
    readonly password?: string
    credentials?(
      authenticate: (
        account: { readonly username: string | undefined; readonly password: string },
        mechanism: string,
      ) => Promise<void>,
    ): Promise<void>
  }
  export function client(options: Options): Client
  export function xml(name: string, attrs: Record<string, string>, ...children: (Element | string)[]): Element
}

/** What is used of `@xmpp/component`, which has no types of its own either. */
declare module '@xmpp/component' {
  import type { Client, Element } from '@xmpp/client'

  export interface Options {
    readonly service: string
    readonly domain: string
    readonly password: string
  }
  export function component(options: Options): Omit<Client, 'streamManagement'>
  export function xml(name: string, attrs: Record<string, string>, ...children: (Element | string)[]): Element
}
