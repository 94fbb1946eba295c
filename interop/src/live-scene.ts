/** Accounts of a server with our devices and those of python-omemo, for a file of tests. */
import { type BareJid, bareJid } from '@xmpp-e2e/xml'
import { afterAll, beforeAll, expect } from 'vitest'
import { Facade, type FacadeOptions } from './facade.ts'
import type { Namespace } from './python-omemo.ts'
import type { Account, Server, ServerOptions } from './server.ts'
import { Slixmpp, type SlixmppDevice, type SlixmppMessage } from './slixmpp.ts'

export interface LiveScene {
  readonly server: Server
  /** One that nobody has used. */
  newAccount(): Account
  ours(account?: Account, options?: FacadeOptions): Promise<Facade>
  theirs(
    namespaces: readonly [Namespace, ...Namespace[]],
    account?: Account,
    trust?: 'blind' | 'undecided',
  ): Promise<SlixmppDevice>
}

/** Each test takes new ones. */
const NAMES = Array.from({ length: 60 }, (_, i) => `user${i}`)

/** Starts a server before the tests of the file, and ends everything after them. */
export function liveScene(start: (options: ServerOptions) => Promise<Server>): LiveScene {
  let server: Server
  let python: Slixmpp
  let taken = 0
  const open: Facade[] = []
  beforeAll(async () => {
    ;[server, python] = await Promise.all([start({ accounts: NAMES }), Slixmpp.start()])
  })
  afterAll(async () => {
    await Promise.all(open.map((each) => each.close()))
    await python?.stop()
    await server?.stop()
  })
  const newAccount = () => server.account(NAMES[taken++]!)
  return {
    get server() {
      return server
    },
    newAccount,
    async ours(account = newAccount(), options = {}) {
      const facade = await Facade.open(server, account, options)
      open.push(facade)
      return facade
    },
    theirs: (namespaces, account = newAccount(), trust = 'blind') =>
      python.connect(server, account, { namespaces, trust, preKeys: 5 }),
  }
}

export const jidOf = ({ jid }: { readonly jid: string }): BareJid => bareJid.decode(jid) as BareJid

/** What became of the message with that id; of empty ones, which have others, it may not read all after a crossing. */
export async function outcome(device: SlixmppDevice, id: string): Promise<SlixmppMessage> {
  for (const passed: SlixmppMessage[] = []; ; ) {
    const message = await device.message().catch((error: Error) => {
      throw new Error(`${error.message}; passed over ${JSON.stringify(passed)}`)
    })
    if (message.id === id) return message
    passed.push(message)
  }
}

/** The next message is this one, and it was read. */
export async function reads(device: SlixmppDevice, expected: Partial<SlixmppMessage>): Promise<void> {
  const message = await device.message()
  expect(message, JSON.stringify(message)).toMatchObject({ kind: 'message', ...expected })
}
