/** A transcript as a sequence diagram: it is quicker to look than to read. */

import { child, type Element, elements, type FullJid, parseJid, text } from '@xmpp-e2e/xml'
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
  const lines = transcript.map((entry) => {
    const row = Array.from({ length: width * columns.length }, () => ' ')
    for (let column = 0; column < columns.length; column++) row[middle(column)] = '|'
    const at = middle(clients.indexOf(entry.client) + 1)
    if (entry.kind === 'session') row[at] = SIGNS[entry.state]
    else draw(row, middle(0), at, entry)
    const time = ((entry.at - start) / 1000).toFixed(3).padStart(9)
    return `${time}  ${row.join('').trimEnd().padEnd(row.length)} ${labelOf(entry)}`.trimEnd()
  })
  return [`${' '.repeat(11)}${heading.trimEnd()}`, ...lines, ''].join('\n')
}

function draw(row: string[], server: number, client: number, entry: Entry & { kind: 'stanza' }): void {
  for (let i = server + 1; i < client; i++) if (row[i] === ' ') row[i] = '-'
  const isDropped = entry.fault === 'dropped'
  if (entry.direction === 'sent') row[server + 1] = isDropped ? 'x' : '<'
  else row[client - 1] = isDropped ? 'x' : '>'
}

/** For [Mermaid](https://mermaid.js.org), which many places render. */
export function mermaid(transcript: readonly Entry[]): string {
  const names = participants(transcript)
  const clients = [...names.keys()]
  const lines = transcript.map((entry) => {
    const client = `C${clients.indexOf(entry.client) + 1}`
    const label = escaped(labelOf(entry))
    if (entry.kind === 'session') return `Note over ${client}: ${label}`
    const arrow = entry.fault === 'dropped' ? '-x' : '->>'
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

/** Local part and resource of every client, in order of appearance; the domain, too, where there are several. */
function participants(transcript: readonly Entry[]): ReadonlyMap<FullJid, string> {
  const clients = [...new Set(transcript.map(({ client }) => client))]
  const domains = new Set(clients.map((client) => parseJid(client).domain))
  return new Map(
    clients.map((client) => {
      const { local, resource } = parseJid(client)
      return [client, domains.size > 1 ? client : `${local}/${resource}`]
    }),
  )
}

function labelOf(entry: Entry): string {
  if (entry.kind === 'session') return stateOf(entry)
  const fault = entry.fault === undefined ? '' : ` (${entry.fault})`
  return `${stanzaLabel(entry.stanza)}${fault}`
}

/** `iq set pubsub publish urn:xmpp:omemo:2:devices`; names and nodes as deep as they say something. */
function stanzaLabel(stanza: Element): string {
  const type = stanza.attrs.type ? ` ${stanza.attrs.type}` : ''
  const body = child(stanza, 'body')
  if (body) {
    const said = text(body)
    return `${stanza.name}${type} "${said.length > SHOWN ? `${said.slice(0, SHOWN - 1)}…` : said}"`
  }
  const payload = elements(stanza).map(payloadLabel).join(', ')
  return `${stanza.name}${type}${payload ? ` ${payload}` : ''}`
}

function payloadLabel(payload: Element): string {
  const words: string[] = []
  // A carbon or archive result shows what it carries.
  for (let el: Element | undefined = payload, depth = 0; el && depth < 4; depth++) {
    words.push(el.name)
    if (el.attrs.node) words.push(el.attrs.node)
    const inner: readonly Element[] = elements(el)
    el =
      words.length < 4 && /^(?:pubsub|event|error|result|sent|received|forwarded)$/.test(el.name)
        ? inner.at(-1)
        : undefined
  }
  return words.join(' ')
}

function centred(name: string, width: number): string {
  const left = Math.floor((width - name.length) / 2)
  return `${' '.repeat(Math.max(0, left))}${name}`.padEnd(width)
}
