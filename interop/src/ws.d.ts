/** What is used of `ws`, which has no types of its own. */
declare module 'ws' {
  class WebSocket {
    constructor(url: string, protocol: string)
    send(text: string, done?: (error?: Error) => void): void
    close(): void
    on(event: 'message', listener: (data: Uint8Array) => void): this
    on(event: 'close', listener: () => void): this
    on(event: 'error', listener: (error: Error) => void): this
    once(event: 'open' | 'close', listener: () => void): this
  }

  export { WebSocket }
}
