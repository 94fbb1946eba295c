/**
 * XEP-0313 §4: how an archive is read.
 *
 *     <query queryid='q'>  <x type='submit'/>  <set><max/><after/> or <before/></set>  <flip-page/>
 *     <message><result queryid='q' id='…'><forwarded><delay stamp='…'/><message/></forwarded></result></message> …
 *     <fin complete='true'>  <set><first index='…'/><last/><count/></set>
 */

import { bareJid, child, dateTime, delay, type Element, element } from '@xmpp-e2e/xml'
import type { Archive, Archived } from './archive.ts'
import { formOf, readForm } from './data-form.ts'
import { CLIENT, FORM, FORWARD, MAM } from './namespaces.ts'
import { page } from './result-set.ts'
import type { Server, Session } from './server.ts'
import { readJid, refusal } from './stanza.ts'

/**
 * Answers `<query/>` and `<metadata/>`: sends the results and gives what the request is answered with, which arrives
 * after them. `owner` is the account or room whose archive it is.
 */
export function answerArchive(
  server: Server,
  session: Session,
  owner: string,
  archive: Archive,
  iq: Element,
  query: Element,
): readonly Element[] {
  const { type } = iq.attrs
  if (query.name === 'metadata' && type === 'get') return [metadata(archive)]
  if (query.name !== 'query') throw refusal(iq, 'feature-not-implemented')
  if (type === 'get') return [fields()]
  const form = child(query, 'x', FORM)
  const found = page(form ? filtered(archive, iq, form) : archive, query)
  if (found === 'not-found') throw refusal(iq, 'item-not-found')
  if (found === 'malformed') throw refusal(iq, 'bad-request')
  const { members, complete, set } = found
  const { queryid } = query.attrs
  for (const one of child(query, 'flip-page') ? [...members].reverse() : members)
    server.transmit(session, result(one, owner, session, queryid, server.newId()))
  return [element(MAM, 'fin', { queryid, complete: complete ? 'true' : undefined }, set)]
}

// §4.2
function result(
  { id, at, message }: Archived,
  from: string,
  session: Session,
  queryid: string | undefined,
  stanzaId: string,
): Element {
  const forwarded = element(FORWARD, 'forwarded', {}, delay.encode({ stamp: new Date(at) }), message)
  const wrapper = element(MAM, 'result', { queryid, id }, forwarded)
  return element(CLIENT, 'message', { id: stanzaId, from, to: session.jid }, wrapper)
}

// §4.1.1, §4.1.2 and, with `urn:xmpp:mam:2#extended`, §4.1.3
function filtered(archive: Archive, iq: Element, form: Element): readonly Archived[] {
  const values = readForm(form, MAM)
  if (!values) throw refusal(iq, 'bad-request')
  let found: readonly Archived[] = archive
  const position = (id: string): number => {
    const at = archive.findIndex((one) => one.id === id)
    if (at < 0) throw refusal(iq, 'item-not-found')
    return at
  }
  for (const [name, list] of values) {
    const [value = ''] = list
    const date = (): number => {
      const stamp = dateTime.decode(value)
      if (!stamp) throw refusal(iq, 'bad-request')
      return stamp.getTime()
    }
    if (name === 'with') {
      const other = readJid(value)
      if (!other) throw refusal(iq, 'bad-request')
      found = found.filter((one) =>
        other.full ? exchanged(one, other.full) : one.with === bareJid.decode(value),
      )
    } else if (name === 'start') {
      const start = date()
      found = found.filter(({ at }) => at >= start)
    } else if (name === 'end') {
      const end = date()
      found = found.filter(({ at }) => at <= end)
    } else if (name === 'after-id') {
      const rest = new Set(archive.slice(position(value) + 1))
      found = found.filter((one) => rest.has(one))
    } else if (name === 'before-id') {
      const rest = new Set(archive.slice(0, position(value)))
      found = found.filter((one) => rest.has(one))
    } else if (name === 'ids') {
      list.forEach(position)
      found = found.filter(({ id }) => list.includes(id))
    } else throw refusal(iq, 'feature-not-implemented')
  }
  return found
}

// With a resource, `with` compares whole addresses (§4.1.1).
function exchanged({ message }: Archived, full: string): boolean {
  return [message.attrs.from, message.attrs.to].includes(full)
}

// §4.1.5: what may be filtered by.
function fields(): Element {
  const one = (name: string) => ({ var: name, type: 'text-single' as const, values: [] })
  const form = formOf('form', MAM, ['with', 'start', 'end', 'before-id', 'after-id', 'ids'].map(one))
  return element(MAM, 'query', {}, form)
}

// §5: the ends of the archive.
function metadata(archive: Archive): Element {
  const end = (name: 'start' | 'end', one: Archived | undefined) =>
    one && element(MAM, name, { id: one.id, timestamp: dateTime.encode(new Date(one.at)) })
  return element(MAM, 'metadata', {}, end('start', archive[0]), end('end', archive.at(-1)))
}
