/** Two accounts that see each other's presence, before any of their clients is there. */
import { publish } from '@xmpp-e2e/disco/pep'
import { element } from '@xmpp-e2e/xml'
import { presence } from './announce.ts'
import { befriend } from './arrival.ts'
import { connect } from './client.ts'
import { AXOLOTL } from './python-omemo.ts'
import type { Account, Server } from './server.ts'

export async function makeFriends(server: Server, one: Account, other: Account): Promise<void> {
  const clients = [await connect(server, one), await connect(server, other)] as const
  for (const { connection } of clients) await connection.send(presence({}))
  await befriend(clients[0].connection, clients[1].connection)
  for (const client of clients) await client.close()
}

/** An empty device list in 0.3: some clients only add to one. */
export async function publishNoDevices(server: Server, account: Account): Promise<void> {
  const client = await connect(server, account)
  const item = { id: 'current', payload: element(AXOLOTL, 'list') }
  await publish(client.connection, `${AXOLOTL}.devicelist`, item, { access: 'open' })
  await client.close()
}
