/** Who takes part: two accounts, three devices. One of them runs another implementation, where there is one. */
import { type Namespace, protocols } from '@xmpp-e2e/omemo/primitives'
import { memoryStore, scoped } from '@xmpp-e2e/store'
import { type BareJid, bare } from '@xmpp-e2e/xml'
import { PythonDevice } from './python-device.ts'
import { StoredDevice } from './stored-device.ts'
import type { Cast } from './world.ts'

const ALICE = bare('alice@example.org')
const BOB = bare('bob@example.org')
const NAMESPACES: readonly Namespace[] = Object.values(protocols).map(({ namespace }) => namespace)
/** Device ids are random in practice; these are easier to follow. */
const IDS = { alice: 1001, laptop: 2001, phone: 2002 } as const
const LAPTOP = 'Bob’s laptop'

export interface Assembled {
  readonly cast: Cast
  stop(): Promise<void>
}

/** @param withPython - whether Bob's laptop runs python-omemo */
export async function assemble(withPython: boolean): Promise<Assembled> {
  const python = withPython ? await PythonDevice.create(LAPTOP, BOB, IDS.laptop) : undefined
  const cast = {
    alice: await stored('Alice’s phone', ALICE, IDS.alice),
    laptop: python ?? (await stored(LAPTOP, BOB, IDS.laptop)),
    phone: await stored('Bob’s phone', BOB, IDS.phone),
  }
  return { cast, stop: async () => python?.stop() }
}

/** In memory, because the tour leaves nothing behind; an application uses a durable store. */
function stored(name: string, jid: BareJid, deviceId: number): Promise<StoredDevice> {
  const store = scoped(memoryStore(), `${jid}/omemo`)
  return StoredDevice.create({ name, jid, deviceId, store, namespaces: NAMESPACES })
}
