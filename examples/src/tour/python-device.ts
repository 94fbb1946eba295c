/** A device that runs python-omemo, another implementation: the same interface, through the driver of `interop`. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { PeerError } from '@xmpp-e2e/interop/json-lines'
import { type PythonAccount, PythonOmemo } from '@xmpp-e2e/interop/python-omemo'
import {
  deviceLists,
  encryptedElements,
  encryptedFormats,
  fingerprint,
  keysFor,
  type Namespace,
  omemo2,
  protocols,
} from '@xmpp-e2e/omemo/primitives'
import { type BareJid, bare, type Element, parse, parseJid, receive, serialize } from '@xmpp-e2e/xml'
import type { Device, Directory, Reading, Written } from './device.ts'
import { messageStanza } from './message.ts'

/** Debian's own Python is the one that has the libraries. */
const PROBE = ['-E', '-s', '-B', '-c', 'import twomemo.etree, oldmemo.etree']
export const PYTHON_PACKAGES = 'python3-omemo python3-twomemo python3-oldmemo python3-xmlschema'

/** Whether python-omemo can be run here. */
export function hasPython(): boolean {
  return spawnSync('/usr/bin/python3', PROBE, { stdio: 'ignore' }).status === 0
}

const NAMESPACES = Object.values(protocols).map(({ namespace }) => namespace)

export class PythonDevice implements Device {
  readonly name: string
  readonly jid: BareJid
  readonly deviceId: number
  readonly software: string
  readonly #python: PythonOmemo
  readonly #account: PythonAccount
  /** What it was told that somebody publishes, to tell it only what has changed. */
  readonly #told = new Map<string, string>()

  private constructor(name: string, software: string, python: PythonOmemo, account: PythonAccount) {
    this.name = name
    this.jid = bare(account.jid)
    this.deviceId = account.deviceId
    this.software = software
    this.#python = python
    this.#account = account
  }

  /** Starts it. It trusts no key by itself. */
  static async create(name: string, jid: BareJid, deviceId: number): Promise<PythonDevice> {
    const python = await PythonOmemo.start()
    const { omemo } = await python.versions()
    const account = await python.account({ jid, deviceId, trust: 'undecided' })
    return new PythonDevice(name, `python-omemo ${omemo}`, python, account)
  }

  async fingerprint(): Promise<string> {
    return fingerprint(omemo2.readIdentity(this.#account.identityKey))
  }

  async bundles(): Promise<ReadonlyMap<Namespace, Element>> {
    const published = await this.#account.bundle()
    return new Map(NAMESPACES.map((namespace) => [namespace, parse(published[namespace].bundle)]))
  }

  async trust(jid: BareJid, deviceId: number, compared: string, directory: Directory): Promise<void> {
    await this.#learn(jid, directory)
    const device = (await this.#account.devices(jid)).find((known) => known.deviceId === deviceId)
    if (device === undefined || fingerprint(omemo2.readIdentity(device.identityKey)) !== compared)
      throw new Error(`${this.name}: the fingerprints differ`)
    await this.#account.trust(jid, deviceId, 'trusted')
  }

  async write(body: string, to: BareJid, directory: Directory): Promise<Written> {
    await this.#learn(to, directory)
    await this.#learn(this.jid, directory)
    const { messages, errors } = await this.#account.encrypt({ to, namespace: NAMESPACES, text: body })
    return {
      stanza: messageStanza(
        this.jid,
        to,
        messages.map(({ xml }) => parse(xml)),
      ),
      skipped: errors.map(({ deviceId, error }) => ({ deviceId, code: error })),
    }
  }

  async read(stanza: Element, directory: Directory): Promise<Reading> {
    const received = receive(stanza, { account: this.jid })
    if (received.kind !== 'message' || received.sender.known === 'no')
      return { kind: 'refused', code: 'forged' }
    const from = parseJid(received.sender.jid).bare
    const mine = encryptedElements(received.stanza).find(
      ({ namespace, element }) => keysFor(encryptedFormats[namespace].decode(element), this).length > 0,
    )
    if (mine === undefined) return { kind: 'refused', code: 'not-for-this-device' }
    const { namespace, element } = mine
    await this.#learn(from, directory)
    try {
      const found = await this.#account.decrypt(from, serialize(element), namespace)
      return found.kind === 'empty'
        ? { kind: 'empty', namespace }
        : { kind: 'message', namespace, body: found.body ?? '' }
    } catch (error) {
      if (error instanceof PeerError) return { kind: 'refused', code: error.code }
      throw error
    }
  }

  async answers(): Promise<readonly Element[]> {
    const messages = await this.#account.messages()
    return messages.map(({ to, xml }) => messageStanza(this.jid, bare(to), [parse(xml)]))
  }

  async digest(): Promise<string> {
    return createHash('sha256')
      .update(await this.#account.dump())
      .digest('hex')
  }

  /** It has formats of its own. */
  async stored(): Promise<undefined> {
    return undefined
  }

  stop(): Promise<void> {
    return this.#python.stop()
  }

  /** Publishes to the service within the Python process what the directory has of an account. */
  async #learn(jid: BareJid, directory: Directory): Promise<void> {
    const devices: string[] = []
    const published: { readonly deviceId: number; readonly xml: string }[] = []
    for (const namespace of NAMESPACES) {
      const ids = directory.devices(jid, namespace)
      devices.push(serialize(deviceLists[namespace].encode(ids.map((id) => ({ id })))))
      for (const deviceId of ids) {
        const bundle = directory.bundle(jid, deviceId, namespace)
        // Its own it has published there itself.
        if (bundle && deviceId !== this.deviceId) published.push({ deviceId, xml: serialize(bundle) })
      }
    }
    const told = JSON.stringify([devices, published])
    if (this.#told.get(jid) === told) return
    await this.#python.put({ jid, devices, bundles: published })
    this.#told.set(jid, told)
  }
}
