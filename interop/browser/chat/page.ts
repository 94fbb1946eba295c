/// <reference lib="dom" />
/** What both pages do with a connection, for `test/browser-chat.test.ts`, which calls the functions of `chatPage`. */
import { fetchItems, onEvents, type PublishStep, publish } from '@xmpp-e2e/disco/pep'
import {
  bare,
  type Connection,
  child,
  type Element,
  element,
  ns,
  type Received,
  receive,
  text,
} from '@xmpp-e2e/xml'

/** The page announces that it wants to hear of this node. */
export const NODE = 'urn:example:browser'

const MAM = 'urn:xmpp:mam:2'
const RSM = 'http://jabber.org/protocol/rsm'
const rsm = ns(RSM)
const client = ns('jabber:client')

export interface ArchivePage {
  readonly bodies: readonly string[]
  /** The archive's id of the oldest one: what comes before it is the next page. */
  readonly first: string
  readonly isLast: boolean
}

export interface ChatPage {
  /** The full JID, while there is a session. */
  jid(): string | undefined
  /** Publishes a text, and reads it from the node and from the notification. */
  roundTrip(text: string): Promise<{ steps: readonly PublishStep[]; fetched: string; heard: string }>
  /** Bodies of the carbons so far, when there are so many. */
  carbons(count: number): Promise<readonly { body: string; own: boolean }[]>
  /** The newest messages of the archive, or the newest before an id. */
  archive(max: number, before?: string): Promise<ArchivePage>
  /** What the connection has said of its session, when it has said so much. */
  sessions(count: number): Promise<readonly string[]>
  /** Closes the WebSocket, as a broken network does; the host library may connect again. */
  cut(): void
}

declare global {
  var chatPage: ChatPage
}

/** What `guard` needs, from a browser. */
export const GUARD = {
  random: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
  clock: {
    after(ms: number, f: () => void) {
      const timer = setTimeout(f, ms)
      return () => clearTimeout(timer)
    },
  },
}

/** The WebSocket of a strophe.js connection, which is not for others. */
export function socketOf(strophe: { readonly _proto: object }): WebSocket {
  const { _proto } = strophe
  if (!('socket' in _proto) || !(_proto.socket instanceof WebSocket)) throw new Error('there is no WebSocket')
  return _proto.socket
}

/** Where to log in, which is in the fragment of the page's address. */
export const login = (): { url: string; jid: string; password: string } =>
  JSON.parse(decodeURIComponent(location.hash.slice(1)))

export function serve(connection: Connection, cut: () => void): void {
  const states: string[] = []
  const copies: { body: string; own: boolean }[] = []
  let wake: (() => void)[] = []
  const more = () => new Promise<void>((resolve) => wake.push(resolve))
  const tell = () => {
    for (const resolve of wake) resolve()
    wake = []
  }
  const account = bare(login().jid)
  connection.subscribe({
    session(state) {
      states.push(state)
      tell()
    },
    stanza(stanza) {
      const received = receive(stanza, { account })
      if (received.kind !== 'message' || received.channel !== 'carbon') return
      copies.push({ body: bodyOf(received), own: received.own })
      tell()
    },
  })
  globalThis.chatPage = {
    jid: () => connection.jid,
    cut,
    async sessions(count) {
      while (states.length < count) await more()
      return states
    },
    async roundTrip(said) {
      const heard = new Promise<string>((resolve) =>
        onEvents(connection, [NODE], (event) => {
          if (event.kind === 'items')
            resolve(event.items.map(({ payload }) => payload && text(payload)).join())
        }),
      )
      const item = { id: 'current', payload: element(NODE, 'note', {}, said) }
      const { steps } = await publish(connection, NODE, item, { access: 'open', persist: true })
      const [found] = await fetchItems(connection, NODE, { ids: ['current'] })
      return { steps, fetched: found?.payload ? text(found.payload) : '', heard: await heard }
    },
    async carbons(count) {
      while (copies.length < count) await more()
      return copies
    },
    archive: (max, before = '') => archivePage(connection, max, before),
  }
}

/** XEP-0313 4.2 and XEP-0059 2.5: `<before/>` without an id is the newest page. */
async function archivePage(connection: Connection, max: number, before: string): Promise<ArchivePage> {
  const account = bare(login().jid)
  const queryid = crypto.randomUUID()
  const found: Received[] = []
  const stop = connection.subscribe({
    stanza(stanza) {
      const received = receive(stanza, { account, queries: new Map([[queryid, account]]) })
      if (received.kind === 'message' && received.channel === 'archive') found.push(received)
    },
  })
  const set = rsm('set', {}, rsm('max', {}, `${max}`), rsm('before', {}, before))
  const query = element(MAM, 'query', { queryid }, set)
  const answer = await connection.request(client('iq', { type: 'set' }, query))
  stop()
  const fin = child(answer, 'fin', MAM)
  const page = fin && child(fin, 'set', RSM)
  const first = page && child(page, 'first')
  return {
    bodies: found.map(bodyOf),
    first: first ? text(first) : '',
    isLast: fin?.attrs.complete === 'true',
  }
}

function bodyOf({ stanza }: { readonly stanza: Element }): string {
  const body = child(stanza, 'body')
  return body ? text(body) : ''
}
