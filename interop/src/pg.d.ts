/** Of pg, which brings no types along, what is used here. */
declare module 'pg' {
  interface PoolConfig {
    host?: string
    user?: string
    database?: string
    max?: number
    options?: string
  }
  class Pool {
    constructor(config?: PoolConfig)
    query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
    end(): Promise<void>
    on(event: 'error', listener: (error: Error) => void): this
  }

  export { Pool }
}
