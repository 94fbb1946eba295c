declare module 'ws' {
  import type { Server } from 'node:http'
  export class WebSocketServer {
    constructor(options: { server: Server; handleProtocols: () => string })
    on(event: 'connection', listener: (socket: WebSocket) => void): this
  }
  interface WebSocket {
    on(event: 'message', listener: (data: { toString(): string }) => void): this
    send(data: string): void
    terminate(): void
  }
}
