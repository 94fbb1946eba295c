/**
 * The list of an account's keys (XEP-0373 §4.2):
 *
 *     urn:xmpp:openpgp:0:public-keys    <public-keys-list> <pubkey-metadata v4-fingerprint='1357B0…' date='…Z'/> …
 *
 * Fingerprints are lower-case hex here and in upper case on the wire.
 */
import { children, type Element, element, elements } from '@xmpp-e2e/xml'
import { OxError } from '../error.ts'
import { OX_NAMESPACE } from './content.ts'
import { stamp } from './stamp.ts'

/** Where the list of an account's keys is (XEP-0373 §4.2). */
export const KEY_LIST_NODE = 'urn:xmpp:openpgp:0:public-keys'

/** Keys in one list. Each costs about 130 characters of every message. */
export const MAX_KEYS_PER_ACCOUNT = 32

/** `<pubkey-metadata/>`: one key of an account. */
export interface KeyEntry {
  /** 40 digits, lower case. */
  readonly fingerprint: string
  /** As advertised: names of nodes tell cases apart. */
  readonly advertised: string
  /** When it was published; absent if it was unreadable. */
  readonly date: Date | undefined
  /** As it stands in the list. */
  readonly element: Element
}

/** What a list says, and its element, so that what is foreign in it is written again as it was. */
export interface KeyList {
  /** No fingerprint twice; the newest entry of each. */
  readonly entries: readonly KeyEntry[]
  readonly element: Element
}

const LIST = 'public-keys-list'
const ENTRY = 'pubkey-metadata'

/** Reads each entry for itself, and leaves out what is none. @throws {OxError} `key-list-malformed` for another element */
export function decodeKeyList(list: Element): KeyList {
  if (list.ns !== OX_NAMESPACE || list.name !== LIST)
    throw new OxError('key-list-malformed', `list: expected <${LIST}/> in ${OX_NAMESPACE}`)
  const found = new Map<string, KeyEntry>()
  for (const el of children(list, ENTRY)) {
    const entry = entryOf(el)
    if (entry === undefined) continue
    const other = found.get(entry.fingerprint)
    if (other === undefined || Number(other.date ?? 0) < Number(entry.date ?? 0))
      found.set(entry.fingerprint, entry)
  }
  return { entries: [...found.values()], element: list }
}

function entryOf(el: Element): KeyEntry | undefined {
  const advertised = el.attrs['v4-fingerprint']?.trim() ?? ''
  if (!/^[0-9a-f]{40}$/i.test(advertised)) return undefined
  const date = stamp.decode(el.attrs.date ?? '')
  return { fingerprint: advertised.toLowerCase(), advertised, date, element: el }
}

/**
 * The list with a key that was published at `date`, in its old place or at the end. Everything else stays as it is, but that
 * of several entries of one key the newest is left: there MUST NOT be more (§4.2).
 */
export function withKey(list: KeyList | undefined, fingerprint: string, date: Date): Element {
  const entry = element(OX_NAMESPACE, ENTRY, {
    'v4-fingerprint': fingerprint.toUpperCase(),
    date: stamp.encode(date),
  })
  const newest = new Set(list?.entries.map(({ element }) => element))
  let isPlaced = false
  const kept = (list === undefined ? [] : elements(list.element)).flatMap((el) => {
    const other = isEntry(el) ? entryOf(el) : undefined
    if (other?.fingerprint !== fingerprint) return other === undefined || newest.has(el) ? [el] : []
    const placed = isPlaced ? [] : [entry]
    isPlaced = true
    return placed
  })
  return element(OX_NAMESPACE, LIST, list?.element.attrs ?? {}, kept, isPlaced ? [] : entry)
}

/** The list without a key; everything else as it is. */
export function withoutKey(list: KeyList, fingerprint: string): Element {
  const { attrs } = list.element
  return element(
    OX_NAMESPACE,
    LIST,
    attrs,
    elements(list.element).filter((el) => !isEntry(el) || entryOf(el)?.fingerprint !== fingerprint),
  )
}

function isEntry({ ns, name }: Element): boolean {
  return ns === OX_NAMESPACE && name === ENTRY
}
