/** Of npm's otr, which brings no types along, what is used here. */
declare module 'otr' {
  class DSA {
    static parsePrivate(text: string): DSA
    /** Makes a key. */
    constructor(parts: null, options: { readonly nocache: boolean })
    fingerprint(): string
  }
  class OTR {
    static readonly CONST: { readonly STATUS_AKE_SUCCESS: number }
    ALLOW_V2: boolean
    constructor(options: { priv: DSA })
    on(event: 'io' | 'ui' | 'error', listener: (text: string) => void): void
    on(event: 'status', listener: (status: number) => void): void
    on(event: 'smp', listener: (type: 'question' | 'trust' | 'abort', data: unknown) => void): void
    receiveMsg(text: string): void
    sendMsg(text: string): void
    smpSecret(secret: string): void
  }
  const otr: { readonly DSA: typeof DSA; readonly OTR: typeof OTR }
  export = otr
}
