/** GnuPG, with a home of its own. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Done, Scratch } from './scratch.ts'
import { fingerprintsOf, type OpenPgpTool, type ToolKey } from './tool.ts'

const GPG = '/usr/bin/gpg'

export class Gpg implements OpenPgpTool {
  readonly #scratch: Scratch
  readonly home: string
  /** What keys are made of: 'default', 3072 bits of RSA, or 'future-default', Ed25519. */
  readonly #algorithm: 'default' | 'future-default'

  private constructor(scratch: Scratch, algorithm: 'default' | 'future-default') {
    this.#scratch = scratch
    this.#algorithm = algorithm
    this.home = join(scratch.directory, 'gnupg')
  }

  static async start(algorithm: 'default' | 'future-default' = 'future-default'): Promise<Gpg> {
    const gpg = new Gpg(await Scratch.make(), algorithm)
    await mkdir(gpg.home, { mode: 0o700 })
    await writeFile(join(gpg.home, 'gpg.conf'), 'trust-model always\n')
    return gpg
  }

  /** Any command, with any options. @throws {Error} with what it said */
  async run(args: readonly string[], input: Uint8Array | string = ''): Promise<Done> {
    return this.#scratch.run(GPG, [...this.#options, ...args], input)
  }

  async generate(userId: string): Promise<ToolKey> {
    const generate = ['--status-fd', '1', '--quick-generate-key', userId, this.#algorithm, 'default', 'never']
    const { stdout } = await this.run(generate)
    const fingerprint = /KEY_CREATED \w ([0-9A-F]{40})/.exec(stdout.toString())?.[1] ?? ''
    return this.exported(fingerprint.toLowerCase())
  }

  async exported(fingerprint: string): Promise<ToolKey> {
    const { stdout: certificate } = await this.run(['--export', fingerprint])
    const { stdout: secret } = await this.run(['--export-secret-keys', fingerprint])
    return { fingerprint, certificate, secret }
  }

  /** Takes over keys, public or secret; their fingerprints. */
  async import(keys: Uint8Array): Promise<readonly string[]> {
    await this.run(['--import'], keys)
    const { stdout } = await this.run(['--with-colons', '--import-options', 'show-only', '--import'], keys)
    const primary = /^(?:pub|sec):.*\n(fpr:.*)$/gm
    return [...stdout.toString().matchAll(primary)].flatMap(([, line = '']) => fingerprintsOf(line))
  }

  /** `hidden` does not say for which key it is. Options are of GnuPG: ciphers, compression and the like. */
  async encrypt(
    plaintext: string,
    to: readonly Uint8Array[],
    by?: ToolKey,
    { hidden = false, options = [] }: { hidden?: boolean; options?: readonly string[] } = {},
  ): Promise<Uint8Array> {
    const recipients: string[] = []
    for (const certificate of to) recipients.push(...(await this.import(certificate)))
    const signer = by === undefined ? [] : ['--sign', '--local-user', by.fingerprint]
    const each = recipients.flatMap((one) => [hidden ? '--hidden-recipient' : '--recipient', one])
    return (await this.run([...options, '--encrypt', ...signer, ...each], plaintext)).stdout
  }

  async sign(plaintext: string, by: ToolKey, options: readonly string[] = []): Promise<Uint8Array> {
    return (await this.run([...options, '--sign', '--local-user', by.fingerprint], plaintext)).stdout
  }

  async open(
    message: Uint8Array,
    _own: ToolKey | undefined,
    sender: Uint8Array | undefined,
  ): Promise<string> {
    const [expected] = sender === undefined ? [] : await this.import(sender)
    const { stdout, stderr } = await this.run(['--status-fd', '2', '--decrypt'], message)
    const signers = [...stderr.matchAll(/VALIDSIG .*([0-9A-F]{40})$/gm)].map(([, hex]) => hex?.toLowerCase())
    if (signers.join() !== (expected ?? '')) throw new Error(`signed by ${signers.join()}\n${stderr}`)
    return stdout.toString()
  }

  async seal(secrets: Uint8Array, code: string): Promise<Uint8Array> {
    return (await this.#withCode(code, ['--symmetric'], secrets)).stdout
  }

  async unseal(message: Uint8Array, code: string): Promise<Uint8Array> {
    return (await this.#withCode(code, ['--decrypt'], message)).stdout
  }

  async stop(): Promise<void> {
    await this.#scratch.ask('/usr/bin/gpgconf', ['--homedir', this.home, '--kill', 'all'])
    await this.#scratch.remove()
  }

  #withCode(code: string, args: readonly string[], input: Uint8Array): Promise<Done> {
    // The later one counts.
    return this.run(['--passphrase', code, ...args], input)
  }

  get #options(): readonly string[] {
    const quietly = ['--batch', '--yes', '--no-tty', '--pinentry-mode', 'loopback', '--passphrase', '']
    return ['--homedir', this.home, ...quietly]
  }
}
