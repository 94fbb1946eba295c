/**
 * The account's archive, read from where it was read last (XEP-0313 §4, paged by XEP-0059):
 *
 *     <iq type='set'><query xmlns='urn:xmpp:mam:2' queryid='…'>
 *       <set xmlns='http://jabber.org/protocol/rsm'><max>50</max><after>28482-98726-73623</after></set>
 *     <message><result xmlns='urn:xmpp:mam:2' queryid='…' id='…'> … </result></message>          as many as there are
 *     <iq type='result'><fin xmlns='urn:xmpp:mam:2' complete='true'><set …><last>…</last></set></fin>
 */
import { child, type Element, element, hex, ns, StanzaError, text } from '@xmpp-e2e/xml'
import { type Account, change } from '../account.ts'
import { decodeRecord, encodeRecord, isMaybe, isObject, isText, isTime } from '../json-record.ts'
import type { Abortable } from '../options.ts'
import { records } from '../record.ts'

const MAM = 'urn:xmpp:mam:2'
const RSM = 'http://jabber.org/protocol/rsm'
const [mam, rsm, form] = [ns(MAM), ns(RSM), ns('jabber:x:data')]

/** Messages of one page: enough to be quick, and few enough that a device that is killed reads few of them again. */
export const ARCHIVE_PAGE = 50

/** Milliseconds: where only a time is known, from this long before it, since clocks differ. */
export const ARCHIVE_MARGIN_MS = 300_000

/** Where the archive was read to. */
interface Position {
  /** The last message; absent when there was none. */
  readonly id?: string | undefined
  /** Milliseconds since 1970, for archives that do not have that message, or not any more. */
  readonly at: number
}

/**
 * @internal Asks for all pages since the last time, one after another; each is kept as read when `handled` has resolved. The
 * first time only where the archive ends is looked up: older messages are not for this device.
 *
 * @param queryId Under which the results come; who listens has to know it.
 * @throws {StanzaError | ConnectionError} what was read is not read again the next time
 */
export async function readArchive(
  account: Account,
  queryId: string,
  handled: () => Promise<void>,
  { signal }: Abortable,
): Promise<void> {
  let position = await readPosition(account)
  if (position === undefined) {
    const { last } = await query(account, '', { max: 1, before: '' }, signal)
    await writePosition(account, last)
    return
  }
  for (let isComplete = false; !isComplete; ) {
    const page = await queryFrom(account, queryId, position, signal)
    await handled()
    if (page.last !== undefined) position = await writePosition(account, page.last)
    isComplete = page.isComplete || page.last === undefined
  }
}

interface Page {
  /** The last message of it; absent when it is empty. */
  readonly last: string | undefined
  readonly isComplete: boolean
}

interface Asked {
  readonly max: number
  readonly after?: string
  readonly before?: string
  readonly start?: number
}

/** §4.3.1: an archive that has removed the message we know says `item-not-found`. Then by time, from before it. */
async function queryFrom(
  account: Account,
  queryId: string,
  { id, at }: Position,
  signal: Abortable['signal'],
): Promise<Page> {
  try {
    if (id !== undefined) return await query(account, queryId, { max: ARCHIVE_PAGE, after: id }, signal)
  } catch (error) {
    if (!(error instanceof StanzaError) || error.condition !== 'item-not-found') throw error
  }
  return query(account, queryId, { max: ARCHIVE_PAGE, start: at - ARCHIVE_MARGIN_MS }, signal)
}

async function query(
  { connection, jid }: Account,
  queryid: string,
  { max, after, before, start }: Asked,
  signal: Abortable['signal'],
): Promise<Page> {
  const filter =
    start === undefined
      ? []
      : [
          form('x', { type: 'submit' }, [
            form('field', { var: 'FORM_TYPE', type: 'hidden' }, form('value', {}, MAM)),
            form('field', { var: 'start' }, form('value', {}, new Date(start).toISOString())),
          ]),
        ]
  const set = rsm('set', {}, [
    rsm('max', {}, String(max)),
    ...(after === undefined ? [] : [rsm('after', {}, after)]),
    ...(before === undefined ? [] : [rsm('before', {}, before)]),
  ])
  const asked = mam('query', { queryid: queryid || undefined }, [...filter, set])
  const answer = await connection.request(element('jabber:client', 'iq', { type: 'set', to: jid }, asked), {
    signal,
  })
  const fin = child(answer, 'fin', MAM)
  return { last: lastOf(fin), isComplete: fin?.attrs.complete === 'true' || fin?.attrs.complete === '1' }
}

function lastOf(fin: Element | undefined): string | undefined {
  const set = fin && child(fin, 'set', RSM)
  const last = set && child(set, 'last')
  return (last && text(last)) || undefined
}

async function readPosition({ store }: Account): Promise<Position | undefined> {
  const [found] = await store.read([records.archive])
  if (found?.value === undefined) return undefined
  return decodeRecord(found.value, 'archive', shape)
}

const shape = isObject({ id: isMaybe(isText), at: isTime })

async function writePosition(account: Account, id: string | undefined): Promise<Position> {
  const position = { id, at: account.clock.now() }
  return change(account, [], () => ({
    put: [[records.archive, encodeRecord({ ...position })]],
    result: position,
  }))
}

/** @internal One that nobody can guess, since results count by it. */
export function newQueryId({ random }: Account): string {
  return hex.encode(Uint8Array.from(random(16)))
}
