/** The list of an account's keys and each certificate, from its server (XEP-0373 §4). */
import { fetchItems, type Item, PepError, type PepOptions } from '@xmpp-e2e/disco/pep'
import type { BareJid } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import { decodePublicKey, publicKeyNode } from '../elements/key-element.ts'
import { decodeKeyList, KEY_LIST_NODE, type KeyEntry, type KeyList } from '../elements/key-list.ts'
import { OxError } from '../error.ts'
import { belongsTo, type Certificate, readCertificate } from '../openpgp/certificate.ts'
import type { KeyProblem, ListProblem } from './contact-record.ts'

/** @internal */
export type FetchedList =
  | { readonly kind: 'list'; readonly list: KeyList }
  | { readonly kind: 'problem'; readonly problem: ListProblem }

/** @internal */
export type FetchedCertificate =
  | { readonly kind: 'certificate'; readonly certificate: Certificate }
  | { readonly kind: 'problem'; readonly problem: KeyProblem }

/** @internal @throws the signal's reason */
export async function fetchList(account: Account, jid: BareJid, options: PepOptions): Promise<FetchedList> {
  try {
    const item = await latest(account, jid, KEY_LIST_NODE, options)
    if (item?.payload === undefined) return { kind: 'problem', problem: 'keys-missing' }
    return { kind: 'list', list: decodeKeyList(item.payload) }
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason
    return { kind: 'problem', problem: listProblemOf(error) }
  }
}

function listProblemOf(error: unknown): ListProblem {
  if (error instanceof OxError) return 'key-list-malformed'
  if (!(error instanceof PepError)) throw error
  if (error.code === 'not-found') return 'keys-missing'
  if (error.code === 'forbidden') return 'keys-forbidden'
  return error.code === 'malformed' ? 'key-list-malformed' : 'keys-unavailable'
}

/** @internal Names of nodes tell cases apart, and not everybody names them as the specification does. @throws the signal's reason */
export async function fetchCertificate(
  account: Account,
  jid: BareJid,
  { advertised, fingerprint }: KeyEntry,
  options: PepOptions,
): Promise<FetchedCertificate> {
  const prefix = publicKeyNode('')
  const names = new Set([advertised, advertised.toUpperCase(), advertised.toLowerCase()])
  let problem: KeyProblem = 'certificate-missing'
  for (const name of names) {
    try {
      const item = await latest(account, jid, `${prefix}${name}`, options)
      if (item?.payload === undefined) continue
      const now = account.clock.now()
      const certificate = await readCertificate(decodePublicKey(item.payload), fingerprint, now)
      if (!belongsTo(certificate, jid)) return { kind: 'problem', problem: 'user-id-missing' }
      return { kind: 'certificate', certificate }
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason
      const found = keyProblemOf(error)
      if (found !== 'certificate-missing') problem = found
      // Who does not answer is not asked for the other names: each takes as long.
      if (isSilent(error)) break
    }
  }
  return { kind: 'problem', problem }
}

function isSilent(error: unknown): boolean {
  return error instanceof PepError && ['unavailable', 'timeout', 'lost'].includes(error.code)
}

function keyProblemOf(error: unknown): KeyProblem {
  if (error instanceof PepError) {
    if (error.code === 'not-found') return 'certificate-missing'
    return error.code === 'malformed' ? 'certificate-malformed' : 'certificate-unavailable'
  }
  if (!(error instanceof OxError)) throw error
  const { code } = error
  if (code === 'fingerprint-mismatch' || code === 'algorithm-refused') return code
  return 'certificate-malformed'
}

/** The most recent item counts (§4.3); where a service gives more than was asked for, it is the last one. */
async function latest(
  { connection }: Account,
  owner: BareJid,
  node: string,
  options: PepOptions,
): Promise<Item | undefined> {
  return (await fetchItems(connection, node, { ...options, owner, max: 1 })).at(-1)
}
