/** The two ends of a session between a device of this project and one of python-omemo, behind one interface. */
import { PeerError } from './json-lines.ts'
import { type Delivery, OwnDevice, type OwnDeviceOptions, type Peer } from './own-device.ts'
import type { AccountOptions, Namespace, PythonAccount, PythonOmemo } from './python-omemo.ts'

/** What became of one message. `failed` holds our error code, or the class of the exception in Python. */
export type Reading = { readonly body: string } | { readonly empty: true } | { readonly failed: string }

export interface Correspondent {
  readonly name: 'ours' | 'python'
  /** How this end names a message that it has read before. */
  readonly duplicate: Reading
  send(body: string): Promise<string>
  /** An empty message on the current session. */
  sendEmpty(): Promise<string>
  read(xml: string, delivery?: Delivery): Promise<Reading>
  /** The empty messages with which it has answered key exchanges since the last call. */
  answers(): Promise<readonly string[]>
}

/** Fresh devices of two accounts that know each other's lists and bundles. There is no session yet. */
export interface Pair {
  readonly namespace: Namespace
  readonly device: OwnDevice
  readonly account: PythonAccount
  /** The account, as our device sees it. */
  readonly peer: Peer
  readonly ours: Correspondent
  readonly python: Correspondent
}

let accounts = 0

/** A JID that nobody has had before. */
export function freshJid(name: string): string {
  accounts += 1
  return `${name}-${accounts}@example.org`
}

/** Our device, published where accounts of the process look. */
export async function publish(
  python: PythonOmemo,
  device: OwnDevice,
  namespaces: readonly Namespace[],
): Promise<void> {
  const published = namespaces.map((namespace) => device.published(namespace))
  await python.put({
    jid: device.jid,
    devices: published.map(({ devices }) => devices),
    bundles: published.map(({ bundle }) => ({ deviceId: device.deviceId, xml: bundle })),
  })
}

export async function freshPair(
  python: PythonOmemo,
  namespace: Namespace,
  options: Pick<AccountOptions, 'identitySign'> & Pick<OwnDeviceOptions, 'identity'> = {},
): Promise<Pair> {
  const { identity, ...theirs } = options
  const device = new OwnDevice({
    jid: freshJid('ours'),
    namespaces: [namespace],
    ...(identity && { identity }),
  })
  const [account] = await Promise.all([
    python.account({ jid: freshJid('theirs'), preKeys: 2, namespaces: [namespace], ...theirs }),
    publish(python, device, [namespace]),
  ])
  return pairOf(namespace, device, account)
}

export function pairOf(namespace: Namespace, device: OwnDevice, account: PythonAccount): Pair {
  const peer: Peer = { jid: account.jid, deviceId: account.deviceId, namespace }
  return {
    namespace,
    device,
    account,
    peer,
    ours: ownCorrespondent(device, account, peer),
    python: pythonCorrespondent(account, { jid: device.jid, deviceId: device.deviceId, namespace }),
  }
}

/** Opens a session by itself when it is told to send and has none, as python-omemo does. */
function ownCorrespondent(device: OwnDevice, account: PythonAccount, peer: Peer): Correspondent {
  const { jid, namespace } = peer
  let answers: string[] = []
  return {
    name: 'ours',
    duplicate: { failed: 'message-duplicate' },
    async send(body) {
      if (device.sessions(peer) === undefined) device.open(peer, (await account.bundle())[namespace].bundle)
      return device.encrypt(peer, body)
    },
    sendEmpty: async () => device.empty(peer),
    async read(xml, delivery) {
      const before = device.snapshot()
      const found = device.decrypt(jid, namespace, xml, delivery)
      if (found.kind === 'failed') {
        if (device.snapshot() !== before) throw new Error(`${found.code} has changed the state`)
        return { failed: found.code }
      }
      // Made at once, as python-omemo does; a client would queue it.
      if (found.completion) answers.push(device.empty(peer, found.completion))
      return found.kind === 'message' ? { body: found.body } : { empty: true }
    },
    async answers() {
      const made = answers
      answers = []
      return made
    },
  }
}

/** @param peer - whom it writes to and reads from */
export function pythonCorrespondent(
  account: PythonAccount,
  { jid, deviceId, namespace }: Peer,
): Correspondent {
  return {
    name: 'python',
    duplicate: { failed: 'DecryptionFailed' },
    send: (body) => account.send(jid, namespace, body),
    sendEmpty: () => account.empty(jid, deviceId, namespace),
    async read(xml) {
      try {
        const found = await account.decrypt(jid, xml)
        return found.kind === 'message' ? { body: found.body ?? '' } : { empty: true }
      } catch (error) {
        if (error instanceof PeerError) return { failed: error.code }
        throw error
      }
    },
    answers: async () => (await account.messages()).map(({ xml }) => xml),
  }
}

/** Whether the `<key/>` elements of an `<encrypted/>` are key exchanges: `kex` in omemo:2, `prekey` in axolotl. */
export function isKeyExchange(xml: string): boolean {
  return /<key\b[^>]* (?:kex|prekey)=['"](?:true|1)['"]/.test(xml)
}

/** Runs `count` tasks, a few at a time, so that neither of the two processes waits for the other. */
export async function each(count: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const index = next
      next += 1
      await task(index)
    }
  }
  await Promise.all(Array.from({ length: 3 }, worker))
}
