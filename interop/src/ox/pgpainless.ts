/** PGPainless, through its stateless command line; it starts a Java machine each time, for more than a second. */
import { readFile } from 'node:fs/promises'
import { Scratch } from './scratch.ts'
import type { OpenPgpTool, ToolKey } from './tool.ts'

const PGPAINLESS = '/usr/bin/pgpainless-cli'

export class Pgpainless implements OpenPgpTool {
  readonly #scratch: Scratch

  private constructor(scratch: Scratch) {
    this.#scratch = scratch
  }

  static async start(): Promise<Pgpainless> {
    return new Pgpainless(await Scratch.make())
  }

  /** A primary key that only certifies, subkeys to sign and to encrypt. */
  async generate(userId: string): Promise<ToolKey> {
    const secret = (await this.#run(['generate-key', '--no-armor', userId])).stdout
    const certificate = (await this.#run(['extract-cert', '--no-armor'], secret)).stdout
    // It tells fingerprints only of those who have signed.
    const key = await this.#scratch.file(secret)
    const signed = (await this.#run(['inline-sign', '--no-armor', key])).stdout
    return { fingerprint: await this.#signer(signed, certificate), certificate, secret }
  }

  async encrypt(plaintext: string, to: readonly Uint8Array[], by?: ToolKey): Promise<Uint8Array> {
    const signer = by === undefined ? [] : [`--sign-with=${await this.#scratch.file(by.secret)}`]
    const each = await Promise.all(to.map((certificate) => this.#scratch.file(certificate)))
    return (await this.#run(['encrypt', '--no-armor', ...signer, ...each], plaintext)).stdout
  }

  async sign(plaintext: string, by: ToolKey): Promise<Uint8Array> {
    const key = await this.#scratch.file(by.secret)
    return (await this.#run(['inline-sign', '--no-armor', key], plaintext)).stdout
  }

  async open(message: Uint8Array, own: ToolKey | undefined, sender: Uint8Array | undefined): Promise<string> {
    if (own === undefined) {
      if (sender === undefined) throw new TypeError('sender: expected a certificate')
      const certificate = await this.#scratch.file(sender)
      return (await this.#run(['inline-verify', certificate], message)).stdout.toString()
    }
    const verdict = this.#scratch.path()
    const verify =
      sender === undefined
        ? []
        : [`--verify-with=${await this.#scratch.file(sender)}`, `--verify-out=${verdict}`]
    const key = await this.#scratch.file(own.secret)
    const { stdout } = await this.#run(['decrypt', ...verify, key], message)
    if (sender !== undefined && (await readFile(verdict, 'utf8')).trim().split('\n').length !== 1)
      throw new Error('expected one signature')
    return stdout.toString()
  }

  async seal(secrets: Uint8Array, code: string): Promise<Uint8Array> {
    const password = await this.#scratch.file(code)
    return (await this.#run(['encrypt', '--no-armor', `--with-password=${password}`], secrets)).stdout
  }

  async unseal(message: Uint8Array, code: string): Promise<Uint8Array> {
    const password = await this.#scratch.file(code)
    return (await this.#run(['decrypt', `--with-password=${password}`], message)).stdout
  }

  async stop(): Promise<void> {
    await this.#scratch.remove()
  }

  async #signer(message: Uint8Array, certificate: Uint8Array): Promise<string> {
    const verdict = this.#scratch.path()
    const path = await this.#scratch.file(certificate)
    await this.#run(['inline-verify', `--verifications-out=${verdict}`, path], message)
    const [, , primary = ''] = (await readFile(verdict, 'utf8')).trim().split(' ')
    return primary.toLowerCase()
  }

  #run(args: readonly string[], input: string | Uint8Array = '') {
    return this.#scratch.run(PGPAINLESS, args, input)
  }
}
