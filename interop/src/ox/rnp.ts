/** RNP, with a home of its own. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Done, Scratch } from './scratch.ts'
import type { OpenPgpTool, ToolKey } from './tool.ts'

export class Rnp implements OpenPgpTool {
  readonly #scratch: Scratch
  readonly #home: string
  /** It does not name what it has already. */
  readonly #known = new Map<string, string>()

  private constructor(scratch: Scratch) {
    this.#scratch = scratch
    this.#home = join(scratch.directory, 'rnp')
  }

  static async start(): Promise<Rnp> {
    const rnp = new Rnp(await Scratch.make())
    await mkdir(rnp.#home, { mode: 0o700 })
    return rnp
  }

  /** 2048 bits of RSA that sign, and as many that encrypt, for two years. */
  async generate(userId: string): Promise<ToolKey> {
    const { stdout } = await this.#keys(['--generate-key', '--userid', userId])
    const fingerprint = /^ +([0-9a-f]{40})$/m.exec(stdout.toString())?.[1] ?? ''
    const certificate = await this.#dearmored(await this.#keys(['--export-key', fingerprint]))
    const secret = await this.#dearmored(await this.#keys(['--export-key', fingerprint, '--secret']))
    this.#known.set(hexOf(certificate), fingerprint)
    return { fingerprint, certificate, secret }
  }

  /** `aead`: in a packet of tag 20, which became no standard. */
  async encrypt(
    plaintext: string,
    to: readonly Uint8Array[],
    by?: ToolKey,
    { aead = false }: { aead?: boolean } = {},
  ): Promise<Uint8Array> {
    const recipients: string[] = []
    for (const certificate of to) recipients.push(...(await this.import(certificate)))
    const signer = by === undefined ? [] : ['--sign', '--userid', by.fingerprint]
    const each = recipients.flatMap((one) => ['--recipient', one])
    const options = aead ? ['--aead=ocb'] : []
    return (await this.#run(['--encrypt', ...options, ...signer, ...each], plaintext)).stdout
  }

  async sign(plaintext: string, by: ToolKey): Promise<Uint8Array> {
    return (await this.#run(['--sign', '--userid', by.fingerprint], plaintext)).stdout
  }

  /** Takes over a key; its fingerprint. */
  async import(key: Uint8Array): Promise<readonly string[]> {
    const { stdout } = await this.#keys(['--import-keys', await this.#scratch.file(key)])
    const named = /^ +([0-9a-f]{40})$/m.exec(stdout.toString())?.[1]
    if (named !== undefined) this.#known.set(hexOf(key), named)
    return [this.#known.get(hexOf(key)) ?? '']
  }

  async open(
    message: Uint8Array,
    _own: ToolKey | undefined,
    sender: Uint8Array | undefined,
  ): Promise<string> {
    const [expected = ''] = sender === undefined ? [] : await this.import(sender)
    const { stdout, stderr } = await this.#run(['--decrypt'], message)
    const signers = [...stderr.matchAll(/Good signature made .*\nusing \w+ key ([0-9a-f]{16})/g)]
    const ids = signers.map(([, id]) => id).join()
    if (ids !== expected.slice(-16)) throw new Error(`signed by ${ids}\n${stderr}`)
    return stdout.toString()
  }

  async seal(secrets: Uint8Array, code: string): Promise<Uint8Array> {
    return (await this.#run(['--symmetric'], secrets, code)).stdout
  }

  async unseal(message: Uint8Array, code: string): Promise<Uint8Array> {
    return (await this.#run(['--decrypt'], message, code)).stdout
  }

  async stop(): Promise<void> {
    await this.#scratch.remove()
  }

  #keys(args: readonly string[]): Promise<Done> {
    return this.#scratch.run('/usr/bin/rnpkeys', [
      '--homedir',
      this.#home,
      '--notty',
      '--password',
      '',
      ...args,
    ])
  }

  #run(args: readonly string[], input: string | Uint8Array, password = ''): Promise<Done> {
    const quietly = ['--homedir', this.#home, '--notty', '--password', password]
    return this.#scratch.run('/usr/bin/rnp', [...quietly, ...args, '--output', '-'], input)
  }

  async #dearmored({ stdout }: Done): Promise<Uint8Array> {
    return (await this.#run(['--dearmor'], stdout)).stdout
  }
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
