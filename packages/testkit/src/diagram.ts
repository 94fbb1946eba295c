/** A transcript as a sequence diagram: it is quicker to look than to read. */

import {
  child,
  type Element,
  elements,
  type FullJid,
  parseJid,
  STANZA_ERROR_NAMESPACE,
  text,
} from '@xmpp-e2e/xml'
import { readJid } from './stanza.ts'
import { type Entry, stateOf } from './transcript.ts'

/** How much of a body is shown, in UTF-16 units. */
const SHOWN = 24

const SIGNS = { new: 'o', resumed: 'o', suspended: 'x', lost: 'x' } as const

/**
 * In columns, with the service first; the label stands at the right.
 *
 *      0.000  service     juliet/balcony  romeo/orchard
 *      0.000     |<--------------|              |         message chat "hello"
 *      0.000     |---------------|------------->|         message chat "hello"
 */
export function sequence(transcript: readonly Entry[]): string {
  const names = participants(transcript)
  const start = transcript[0]?.at ?? 0
  const width = Math.max(12, ...[...names.values()].map((name) => name.length + 2))
  const columns = ['service', ...names.values()]
  const middle = (column: number): number => column * width + Math.floor(width / 2)
  const heading = columns.map((name) => centred(name, width)).join('')
  const clients = [...names.keys()]
  const label = labels(transcript)
  const lines = transcript.map((entry) => {
    const row = Array.from({ length: width * columns.length }, () => ' ')
    for (let column = 0; column < columns.length; column++) row[middle(column)] = '|'
    const at = middle(clients.indexOf(entry.client) + 1)
    if (entry.kind === 'session') row[at] = SIGNS[entry.state]
    else draw(row, middle(0), at, entry)
    const time = ((entry.at - start) / 1000).toFixed(3).padStart(9)
    return `${time}  ${row.join('').trimEnd().padEnd(row.length)} ${label(entry)}`.trimEnd()
  })
  return [`${' '.repeat(11)}${heading.trimEnd()}`, ...lines, ''].join('\n')
}

function draw(row: string[], server: number, client: number, entry: Entry & { kind: 'stanza' }): void {
  for (let i = server + 1; i < client; i++) if (row[i] === ' ') row[i] = '-'
  if (entry.direction === 'sent') row[server + 1] = entry.lost ? 'x' : '<'
  else row[client - 1] = entry.lost ? 'x' : '>'
}

/** For [Mermaid](https://mermaid.js.org), which many places render. */
export function mermaid(transcript: readonly Entry[]): string {
  const names = participants(transcript)
  const clients = [...names.keys()]
  const labelOf = labels(transcript)
  const lines = transcript.map((entry) => {
    const client = `C${clients.indexOf(entry.client) + 1}`
    const label = escaped(labelOf(entry))
    if (entry.kind === 'session') return `Note over ${client}: ${label}`
    const arrow = entry.lost ? '-x' : '->>'
    return entry.direction === 'sent' ? `${client}${arrow}S: ${label}` : `S${arrow}${client}: ${label}`
  })
  const heads = [...names.values()].map((name, i) => `participant C${i + 1} as ${escaped(name)}`)
  return [
    'sequenceDiagram',
    ...['participant S as service', ...heads, ...lines].map((line) => `  ${line}`),
    '',
  ].join('\n')
}

// What has a meaning in Mermaid is written by its number.
function escaped(label: string): string {
  return label.replace(/[^\w .,:/@+"'()[\]-]/gu, (character) => `#${character.codePointAt(0)};`)
}

/** Every client in order of appearance, by its short name. */
function participants(transcript: readonly Entry[]): ReadonlyMap<FullJid, string> {
  const short = shortNames(transcript)
  return new Map(transcript.map(({ client }) => [client, short(client)]))
}

/** Local part and resource; the domain, too, where clients have several, and of others that are not at theirs. */
function shortNames(transcript: readonly Entry[]): (address: string) => string {
  const domains = new Set(transcript.map(({ client }) => parseJid(client).domain))
  return (address) => {
    const jid = readJid(address)
    if (!jid?.local || domains.size > 1 || !domains.has(jid.domain)) return address
    return jid.resource === undefined ? jid.local : `${jid.local}/${jid.resource}`
  }
}

function labels(transcript: readonly Entry[]): (entry: Entry) => string {
  const short = shortNames(transcript)
  return (entry) => {
    if (entry.kind === 'session') return stateOf(entry)
    const fault = entry.fault === undefined ? '' : ` (${entry.fault})`
    return `${stanzaLabel(entry, short)}${fault}`
  }
}

/** `iq set pubsub publish urn:xmpp:omemo:2:devices`; names and nodes as deep as they say something. */
function stanzaLabel(
  { stanza, direction }: Entry & { readonly kind: 'stanza' },
  short: (address: string) => string,
): string {
  const { type, from, to } = stanza.attrs
  const head = type === undefined ? stanza.name : `${stanza.name} ${type}`
  // Of presence it matters most whose it is.
  const [word, other] = direction === 'sent' ? ['to', to] : ['from', from]
  const whose = stanza.name === 'presence' && other !== undefined ? [`${word} ${short(other)}`] : []
  const error = type === 'error' ? child(stanza, 'error') : undefined
  const body = child(stanza, 'body')
  const said = body && !error ? [quoted(text(body))] : []
  const payload = error ? conditions(error) : said.length > 0 ? [] : payloads(stanza)
  return [head, ...whose, ...said, ...payload].join(' ')
}

function quoted(said: string): string {
  return `"${said.length > SHOWN ? `${said.slice(0, SHOWN - 1)}…` : said}"`
}

// Servers differ in the order of the children: the one that all have comes first.
function conditions(error: Element): readonly string[] {
  const all = elements(error).filter(({ name }) => name !== 'text')
  const general = all.filter(({ ns }) => ns === STANZA_ERROR_NAMESPACE)
  return [...general, ...all.filter((el) => !general.includes(el))].map(({ name }) => name)
}

function payloads(stanza: Element): readonly string[] {
  const labelled = elements(stanza).map(payloadLabel).join(', ')
  return labelled === '' ? [] : [labelled]
}

function payloadLabel(payload: Element): string {
  const words: string[] = payload.name === 'query' ? [protocol(payload.ns)] : []
  // A carbon or archive result shows what it carries.
  for (let el: Element | undefined = payload, depth = 0; el && depth < 4; depth++) {
    words.push(el.name)
    if (el.attrs.node) words.push(el.attrs.node)
    const inner: readonly Element[] = elements(el)
    // Options follow what they are for, and marks precede what is forwarded.
    const next: Element | undefined = el.name === 'forwarded' ? inner.at(-1) : inner[0]
    el = words.length < 4 && NESTING.test(el.name) ? next : undefined
  }
  return words.join(' ')
}

const NESTING = /^(?:pubsub|event|result|sent|received|forwarded)$/

/** The last words of a namespace, without its version: `disco#info`, `mam`. */
function protocol(ns: string): string {
  return ns.replace(/:\d+$/, '').split(/[:/]/).at(-1) ?? ns
}

function centred(name: string, width: number): string {
  const left = Math.floor((width - name.length) / 2)
  return `${' '.repeat(Math.max(0, left))}${name}`.padEnd(width)
}
