/** The contender from npm: `otr`, which answers in timers and events. */
import { type DsaPrivateKey, parsePrivateKeys } from '@xmpp-e2e/otr/core'
import otr from 'otr'
import { serve } from '../contender.ts'
import { readKeyFile, rowsOf, SECRET } from './work.ts'

const { DSA, OTR } = otr
type DSA = InstanceType<typeof DSA>
type OTR = InstanceType<typeof OTR>

/** Its own form, since it reads the files of libotr only with other white space: SHORT 0 and five MPIs in base64. */
function keyOf({ p, q, g, y, x }: DsaPrivateKey): DSA {
  const mpis = [p, q, g, y, x].map((number) => {
    const digits = number.toString(16)
    const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return Buffer.concat([length, bytes])
  })
  return DSA.parsePrivate(Buffer.concat([Buffer.alloc(2), ...mpis]).toString('base64'))
}

class End {
  readonly #key: DSA
  #otr: OTR | undefined
  /** What becomes of what it sends. */
  deliver = (_message: string): void => {}
  /** What has happened and was not waited for; and what is waited for and has not happened. */
  #happened: string[] = []
  #awaited: { readonly what: string; resolve(): void } | undefined

  constructor(key: DSA) {
    this.#key = key
    this.forget()
  }

  forget(): void {
    const otr = new OTR({ priv: this.#key })
    otr.ALLOW_V2 = false
    otr.on('io', (message) => this.deliver(message))
    otr.on('ui', (text) => this.#notice(`read ${text}`))
    otr.on('status', (status) => this.#notice(`status ${status}`))
    otr.on('smp', (type, data) => this.#notice(`smp ${type} ${data}`))
    otr.on('error', (text) => {
      throw new Error(text)
    })
    this.#otr = otr
    this.#happened = []
  }

  get otr(): OTR {
    if (this.#otr === undefined) throw new Error('not open')
    return this.#otr
  }

  /** Resolves when that has happened. */
  async until(what: string): Promise<void> {
    if (!this.#happened.includes(what))
      await new Promise<void>((resolve) => {
        this.#awaited = { what, resolve }
      })
    this.#happened = []
  }

  #notice(what: string): void {
    this.#happened.push(what)
    if (this.#awaited?.what !== what) return
    this.#awaited.resolve()
    this.#awaited = undefined
  }
}

const [alice, bob] = parsePrivateKeys(readKeyFile()).map(({ key }) => new End(keyOf(key))) as [End, End]
const toBob = (message: string) => bob.otr.receiveMsg(message)
alice.deliver = toBob
bob.deliver = (message) => alice.otr.receiveMsg(message)
const ready = `status ${OTR.CONST.STATUS_AKE_SUCCESS}`

await serve(
  rowsOf({
    async exchangeKeys() {
      alice.forget()
      bob.forget()
      bob.otr.receiveMsg('?OTRv3?')
      await Promise.all([alice.until(ready), bob.until(ready)])
    },
    async say(name, text) {
      const [from, to] = name === 'alice' ? [alice, bob] : [bob, alice]
      from.otr.sendMsg(text)
      await to.until(`read ${text}`)
    },
    async encrypt(text) {
      const encrypted = await new Promise<string>((resolve) => {
        alice.deliver = resolve
        alice.otr.sendMsg(text)
      })
      alice.deliver = toBob
      return encrypted
    },
    async join(pieces, text) {
      for (const piece of pieces) bob.otr.receiveMsg(piece)
      await bob.until(`read ${text}`)
    },
    async compare() {
      alice.otr.smpSecret(SECRET)
      await bob.until('smp question undefined')
      bob.otr.smpSecret(SECRET)
      await Promise.all([alice.until('smp trust true'), bob.until('smp trust true')])
    },
    generateKey() {
      // Else it would use its p and q again.
      new DSA(null, { nocache: true })
    },
  }),
)
