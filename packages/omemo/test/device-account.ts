/** The inside of a façade on the service of testkit, for tests of its parts. */
import { sha256 } from '@noble/hashes/sha2.js'
import { effectQueue, memoryStore, type Store } from '@xmpp-e2e/store'
import type { Client, TestService } from '@xmpp-e2e/testkit'
import { blindTrustBeforeVerification } from '@xmpp-e2e/trust'
import { type Closing, type Connection, closing } from '@xmpp-e2e/xml'
import type { Account } from '../src/account.ts'
import { type Curve, nobleCurve } from '../src/curve.ts'
import { ANNOUNCE, handleAnnounce, handlePublishBundle, PUBLISH_BUNDLE } from '../src/device/announcement.ts'
import { openDevice } from '../src/device/own-device.ts'
import type { OmemoEvent } from '../src/index.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../src/protocol.ts'

/** Public keys that nobody can agree with, a hundred times as fast: for what only publishes them. */
export const fastCurve: Curve = {
  ...nobleCurve,
  publicKey(secret) {
    const key = sha256(secret)
    key[31] = (key[31] as number) & 0x7f
    return key
  },
}

export interface DeviceAccount {
  readonly account: Account
  readonly client: Client
  readonly store: Store
  readonly closing: Closing
  /** All but progress. */
  readonly events: OmemoEvent[]
  readonly progress: OmemoEvent[]
}

export interface DeviceAccountOptions {
  readonly store?: Store
  readonly resource?: string
  readonly namespaces?: readonly Namespace[]
  readonly curve?: Curve
  readonly label?: string
  readonly connection?: (connection: Connection) => Connection
}

export async function deviceAccount(
  service: TestService,
  name: string,
  options: DeviceAccountOptions = {},
): Promise<DeviceAccount> {
  const { store = memoryStore(), resource, namespaces = [OMEMO_2, AXOLOTL], curve = fastCurve } = options
  const jid = service.account(name)
  const client = service.connect(name, resource === undefined ? {} : { resource })
  const random = (length: number) => service.random(length)
  const { clock } = service
  let self = await openDevice({ store, random, clock }, options.label)
  const events: OmemoEvent[] = []
  const progress: OmemoEvent[] = []
  const stop = closing('omemo')
  const account: Account = {
    jid,
    isStored: true,
    store,
    connection: options.connection?.(client.connection) ?? client.connection,
    policy: blindTrustBeforeVerification,
    clock,
    random,
    curve,
    namespaces,
    get self() {
      return self
    },
    adopt(device) {
      self = device
    },
    expose: () => false,
    closing: stop.signal,
    effects: effectQueue({
      store,
      clock,
      random,
      async handle(effect, handling) {
        if (effect.kind === PUBLISH_BUNDLE) await handlePublishBundle(account, effect, handling)
        if (effect.kind === ANNOUNCE) await handleAnnounce(account, effect, handling)
      },
    }),
    emit: (event) => void (event.kind === 'progress' ? progress : events).push(event),
    kick() {},
  }
  return { account, client, store, closing: stop, events, progress }
}
