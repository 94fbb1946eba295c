/** What Gajim's library, nbxmpp, reads and writes of XEP-0373: `ox/nbxmpp_peer.py`. XML and base64 are text. */
import { fileURLToPath } from 'node:url'
import { JsonLines } from '../json-lines.ts'

const DRIVER = fileURLToPath(new URL('../../ox/nbxmpp_peer.py', import.meta.url))

export class Nbxmpp {
  readonly #process: JsonLines

  private constructor(process: JsonLines) {
    this.#process = process
  }

  static async start(): Promise<Nbxmpp> {
    return new Nbxmpp(await JsonLines.start('/usr/bin/python3', ['-E', '-s', '-B', DRIVER]))
  }

  stop(): Promise<void> {
    return this.#process.stop()
  }

  readContent(xml: string): Promise<{ bodies: readonly string[]; to: readonly string[]; time: string }> {
    return this.#process.request('read_content', { xml })
  }

  writeContent(to: string, body: string): Promise<string> {
    return this.#process.request('write_content', { to, body })
  }

  /** The OpenPGP message in a stanza. */
  readMessage(xml: string): Promise<string> {
    return this.#process.request('read_message', { xml })
  }

  writeMessage(to: string, data: string): Promise<string> {
    return this.#process.request('write_message', { to, data })
  }

  /** Fingerprints, as they are written. */
  readList(xml: string): Promise<readonly string[]> {
    return this.#process.request('read_list', { xml })
  }

  writeList(fingerprints: readonly string[], date: Date): Promise<string> {
    return this.#process.request('write_list', { fingerprints, date: date.getTime() / 1000 })
  }

  writeKey(data: string, date: Date): Promise<string> {
    return this.#process.request('write_key', { data, date: date.getTime() / 1000 })
  }

  readSecret(xml: string): Promise<string> {
    return this.#process.request('read_secret', { xml })
  }

  writeSecret(data: string): Promise<string> {
    return this.#process.request('write_secret', { data })
  }
}
