/**
 * A process that is a device with the façade on a durable store, to be killed at any time. JSON lines, as
 * `json-lines.ts` says. Its parent is its network: it asks for the stanzas that go out, and says which come in.
 *
 *     node facade-worker.js <store> <directory> <name> <full JID>
 *
 *     out               → [xml]             what goes out, when there is something
 *     in {xml}          → {}                something came in; messages are opened, and what is not readable is told
 *     start             → {}                announces itself
 *     device            → {device}          its id
 *     send {to, body}   → {}                encrypts and sends: it has gone out
 *     receive {xml}     → {kind, ref, body} opens a message, which waits to be settled
 *     settle {ref}      → {}
 *     unsettled         → {ref: body}
 *     complaints        → [text]            what could not be read of what came `in`, and follow-ups that failed
 */
import { createInterface } from 'node:readline'
import { Omemo } from '@xmpp-e2e/omemo'
import { blindTrustBeforeVerification as policy } from '@xmpp-e2e/trust'
import { bare, type Element, guard, type Listener, ns, parse, receive, serialize, text } from '@xmpp-e2e/xml'
import { clock, random } from '@xmpp-e2e/xml/system'
import { openStore, STORES } from './disk-stores.ts'

interface Request {
  readonly id: number
  readonly op: string
  readonly xml: string
  readonly to: string
  readonly body: string
  readonly ref: string
}

const [kind, directory = '', name = '', jid = ''] = process.argv.slice(2)
const known = STORES.find((each) => each === kind)
if (!known) throw new Error(`store: ${kind} is none`)
const { store, close } = await openStore(known, directory, name)
const stanza = ns('jabber:client')
const account = bare(jid)

const listeners = new Set<Listener>()
const going: { readonly stanza: Element; gone(): void }[] = []
let wake: (() => void) | undefined
const connection = guard(
  {
    jid,
    send: (stanza) =>
      new Promise((gone) => {
        going.push({ stanza, gone })
        wake?.()
      }),
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  },
  { random, clock },
)

const omemo = await Omemo.open({ account, connection, policy, clock, random, store })
const complaints: string[] = []
omemo.on((event) => {
  if (event.kind === 'follow-up-failed') complaints.push(`${event.what}: ${event.error}`)
  else if (event.kind === 'cloned' || event.kind === 'rolled-back')
    complaints.push(`${event.kind}: ${event.detail}`)
})
connection.subscribe({
  stanza(stanza) {
    const received = receive(stanza, { account })
    if (received.kind !== 'message' || !omemo.claims(stanza)) return
    void omemo.decrypt(received).then((opened) => {
      if (opened.kind === 'unreadable') complaints.push(`${opened.code} ${JSON.stringify(opened.detail)}`)
    })
  },
})

const bodyOf = (content: readonly Element[]): string | undefined => {
  const body = content.find(({ name }) => name === 'body')
  return body && text(body)
}

async function answer({ op, xml, to, body, ref }: Request): Promise<unknown> {
  switch (op) {
    case 'out': {
      while (going.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      const taken = going.splice(0)
      // When this is told: the parent has it then.
      setImmediate(() => {
        for (const { gone } of taken) gone()
      })
      return taken.map(({ stanza }) => serialize(stanza))
    }
    case 'in': {
      const came = parse(xml)
      for (const { stanza: hear } of [...listeners]) hear?.(came)
      return {}
    }
    case 'start':
      await omemo.start()
      return {}
    case 'device':
      return { device: omemo.deviceId }
    case 'send': {
      const message = stanza('message', { to, type: 'chat' }, stanza('body', {}, body))
      const sent = await omemo.send(message, [bare(to)])
      if (sent.kind === 'refused') throw new Error(`refused: ${JSON.stringify(sent)}`)
      return {}
    }
    case 'receive': {
      const received = receive(parse(xml), { account })
      if (received.kind !== 'message') throw new Error(`not a message: ${received.kind}`)
      const opened = await omemo.decrypt(received)
      if (opened.kind === 'message') return { kind: 'message', ref: opened.ref, body: bodyOf(opened.content) }
      return opened
    }
    case 'settle':
      await omemo.settle([ref])
      return {}
    case 'unsettled':
      return Object.fromEntries((await omemo.unsettled()).map(({ ref, content }) => [ref, bodyOf(content)]))
    case 'complaints':
      return complaints.splice(0)
    default:
      throw new Error(`unknown op ${op}`)
  }
}

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const request: Request = JSON.parse(line)
    answer(request).then(
      (result) => say({ id: request.id, result }),
      (error) => say({ id: request.id, error: error.code ?? error.name, message: reason(error) }),
    )
  })
  .on(
    'close',
    () =>
      void omemo
        .close()
        .then(close)
        .then(() => process.exit()),
  )
say({ ready: true })

function reason(error: Error): string {
  const causes = error.cause instanceof Error ? [error.cause] : []
  return [error.message, ...causes.map(String)].join('; ')
}
