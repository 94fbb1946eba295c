/**
 * XEP-0313 §4: how an archive is read.
 *
 *     <query queryid='q'>  <x type='submit'/>  <set><max/><after/> or <before/></set>  <flip-page/>
 *     <message><result queryid='q' id='…'><forwarded><delay stamp='…'/><message/></forwarded></result></message> …
 *     <fin complete='true'>  <set><first index='…'/><last/><count/></set>
 */

import { child, dateTime, delay, type Element, element } from '@xmpp-e2e/xml'
import type { Archive, Archived } from './archive.ts'
import { formOf, readForm } from './data-form.ts'
import { CLIENT, FORM, FORWARD, MAM } from './namespaces.ts'
import type { AnyRequest } from './request.ts'
import { page } from './result-set.ts'
import { readJid, refusal } from './stanza.ts'

/**
 * Answers `<query/>` and `<metadata/>`: sends the results and gives what the request is answered with, which arrives
 * after them. `owner` is the account or room whose archive it is.
 */
export function answerArchive(request: AnyRequest, owner: string, archive: Archive): readonly Element[] {
  const { server, session, iq, payload: query } = request
  const { type } = iq.attrs
  if (query.name === 'metadata' && type === 'get') return [metadata(archive)]
  if (query.name !== 'query') throw refusal(iq, 'feature-not-implemented')
  if (type === 'get') return [fields()]
  const form = child(query, 'x', FORM)
  const { members, complete, set } = page(form ? filtered(archive, iq, form) : archive, request)
  const { queryid } = query.attrs
  for (const one of child(query, 'flip-page') ? [...members].reverse() : members) {
    const attrs = { id: server.newId(), from: owner, to: session.jid }
    server.transmit(session, element(CLIENT, 'message', attrs, result(one, queryid)))
  }
  return [element(MAM, 'fin', { queryid, complete: complete ? 'true' : undefined }, set)]
}

// §4.2
function result({ id, at, message }: Archived, queryid: string | undefined): Element {
  const forwarded = element(FORWARD, 'forwarded', {}, delay.encode({ stamp: new Date(at) }), message)
  return element(MAM, 'result', { queryid, id }, forwarded)
}

/** What a field of the form lets through; `iq` is what a bad value is refused for. */
type Filter = (values: readonly string[], archive: Archive, iq: Element) => (one: Archived) => boolean

/** §4.1.1, §4.1.2 and, with `urn:xmpp:mam:2#extended`, §4.1.3. */
const FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ['with', ([value], _, iq) => exchangedWith(value, iq)],
  [
    'start',
    ([value], _, iq) => {
      const start = timeOf(value, iq)
      return ({ at }) => at >= start
    },
  ],
  [
    'end',
    ([value], _, iq) => {
      const end = timeOf(value, iq)
      return ({ at }) => at <= end
    },
  ],
  ['before-id', ([id = ''], archive, iq) => among(archive.slice(0, position(archive, id, iq)))],
  ['after-id', ([id = ''], archive, iq) => among(archive.slice(position(archive, id, iq) + 1))],
  ['ids', (ids, archive, iq) => among(ids.map((id) => archive[position(archive, id, iq)]))],
])

function filtered(archive: Archive, iq: Element, form: Element): readonly Archived[] {
  const values = readForm(form, MAM)
  if (!values) throw refusal(iq, 'bad-request')
  const filters = [...values].map(([name, list]) => {
    const filter = FILTERS.get(name)
    if (!filter) throw refusal(iq, 'feature-not-implemented')
    return filter(list, archive, iq)
  })
  return archive.filter((one) => filters.every((passes) => passes(one)))
}

// With a resource, whole addresses are compared (§4.1.1).
function exchangedWith(value: string | undefined, iq: Element): (one: Archived) => boolean {
  const other = readJid(value)
  if (!other) throw refusal(iq, 'bad-request')
  const { bare, full } = other
  if (full === undefined) return (one) => one.with === bare
  return ({ message }) => message.attrs.from === full || message.attrs.to === full
}

function timeOf(value: string | undefined, iq: Element): number {
  const stamp = dateTime.decode(value ?? '')
  if (!stamp) throw refusal(iq, 'bad-request')
  return stamp.getTime()
}

// §4.1.3: an id that is not there is an error, and not an empty result.
function position(archive: Archive, id: string, iq: Element): number {
  const at = archive.findIndex((one) => one.id === id)
  if (at < 0) throw refusal(iq, 'item-not-found')
  return at
}

function among(list: readonly (Archived | undefined)[]): (one: Archived) => boolean {
  const some = new Set(list)
  return (one) => some.has(one)
}

// §4.1.5: what may be filtered by.
function fields(): Element {
  const one = (name: string) => ({ var: name, type: 'text-single' as const, values: [] })
  return element(MAM, 'query', {}, formOf('form', MAM, [...FILTERS.keys()].map(one)))
}

// §5: the ends of the archive.
function metadata(archive: Archive): Element {
  const end = (name: 'start' | 'end', one: Archived | undefined) =>
    one && element(MAM, name, { id: one.id, timestamp: dateTime.encode(new Date(one.at)) })
  return element(MAM, 'metadata', {}, end('start', archive[0]), end('end', archive.at(-1)))
}
