/** The backup on an account's server, as another program sees it (XEP-0373 §5.1). */
import { fetchItems } from '@xmpp-e2e/disco/pep'
import type { BareJid, Connection } from '@xmpp-e2e/xml'
import { bytesOf, OX } from './scene.ts'

/** Of the own account unless given. */
export async function backupOf(connection: Connection, owner?: BareJid): Promise<Uint8Array> {
  const [item] = await fetchItems(connection, `${OX}:secret-key`, { ...(owner && { owner }), max: 1 })
  if (item?.payload === undefined) throw new Error('there is no backup')
  return bytesOf(item.payload)
}
