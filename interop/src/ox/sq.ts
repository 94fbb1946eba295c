/** Sequoia's `sq`, which keeps nothing: all keys are files. */
import { Scratch } from './scratch.ts'
import type { OpenPgpTool, ToolKey } from './tool.ts'

const SQ = '/usr/bin/sq'

export class Sq implements OpenPgpTool {
  readonly #scratch: Scratch

  private constructor(scratch: Scratch) {
    this.#scratch = scratch
  }

  static async start(): Promise<Sq> {
    return new Sq(await Scratch.make())
  }

  /** A primary key that only certifies, subkeys to sign, to encrypt and to log in, three years. */
  async generate(userId: string): Promise<ToolKey> {
    const path = this.#scratch.path()
    await this.#run(['key', 'generate', '--userid', userId, '--export', path])
    // It writes armor, and more about it.
    const secret = (await this.#run(['dearmor', path])).stdout
    const certificate = (await this.#run(['key', 'extract-cert', '--binary', path])).stdout
    const { stdout } = await this.#run(['inspect', path])
    const fingerprint = /Fingerprint: ([0-9A-F]{40})/.exec(stdout.toString())?.[1] ?? ''
    return { fingerprint: fingerprint.toLowerCase(), certificate, secret }
  }

  async encrypt(plaintext: string, to: readonly Uint8Array[], by?: ToolKey): Promise<Uint8Array> {
    const signer = by === undefined ? [] : ['--signer-key', await this.#scratch.file(by.secret)]
    const each: string[] = []
    for (const certificate of to) each.push('--recipient-cert', await this.#scratch.file(certificate))
    return (await this.#run(['encrypt', '--binary', ...signer, ...each], plaintext)).stdout
  }

  async sign(plaintext: string, by: ToolKey): Promise<Uint8Array> {
    const key = await this.#scratch.file(by.secret)
    return (await this.#run(['sign', '--binary', '--signer-key', key], plaintext)).stdout
  }

  async open(message: Uint8Array, own: ToolKey | undefined, sender: Uint8Array | undefined): Promise<string> {
    // It counts what is valid, and ends with an error for what is not.
    const signers =
      sender === undefined ? [] : ['--signer-cert', await this.#scratch.file(sender), '--signatures', '1']
    const command =
      own === undefined ? ['verify'] : ['decrypt', '--recipient-key', await this.#scratch.file(own.secret)]
    const { stdout, stderr } = await this.#run([...command, ...signers], message)
    if (sender === undefined && /signature/i.test(stderr)) throw new Error(stderr)
    return stdout.toString()
  }

  async seal(secrets: Uint8Array, code: string): Promise<Uint8Array> {
    const [input, output] = [await this.#scratch.file(secrets), this.#scratch.path()]
    const command = [SQ, 'encrypt', '--binary', '--symmetric', '--output', output, input]
    await this.#scratch.runAtTerminal(command, code)
    return this.#scratch.read(output)
  }

  async unseal(message: Uint8Array, code: string): Promise<Uint8Array> {
    const [input, output] = [await this.#scratch.file(message), this.#scratch.path()]
    await this.#scratch.runAtTerminal([SQ, 'decrypt', '--output', output, input], code)
    return this.#scratch.read(output)
  }

  async stop(): Promise<void> {
    await this.#scratch.remove()
  }

  #run(args: readonly string[], input: string | Uint8Array = '') {
    return this.#scratch.run(SQ, args, input)
  }
}
