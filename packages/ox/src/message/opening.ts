/**
 * Who may have written a message, and whether one of them has: with the keys that are known, then once more with those that
 * their server has now. Only what is in the store is looked at while nothing is missing.
 */
import { type BareJid, parseJid, type Received } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import { type Contact, type ContactKey, knownContact } from '../key/contact.ts'
import { RETRY_MS, refreshContact } from '../key/contact-refresh.ts'
import type { Certificate } from '../openpgp/certificate.ts'
import { type OpenedMessage, openMessage } from '../openpgp/message.ts'

/** Candidates for an occupant who is not known: whoever checks more tries keys rather than knows. */
export const MAX_SENDERS = 8

/** @internal */
export interface Opening {
  readonly opened: OpenedMessage
  /** Whose certificate has this fingerprint. */
  ownerOf(fingerprint: string): BareJid | undefined
}

interface SenderCertificate {
  readonly owner: BareJid
  readonly certificate: Certificate
}

/** @internal Accounts, not occupants. */
export function sendersOf({ sender, account, own }: Received): readonly BareJid[] {
  if (own) return [account]
  return sender.known === 'no' ? sender.candidates.slice(0, MAX_SENDERS) : [parseJid(sender.jid).bare]
}

/** @internal The host is asked for passphrases, and servers for keys, once each. */
export async function open(
  account: Account,
  bytes: Uint8Array,
  senders: readonly BareJid[],
  { channel }: Received,
): Promise<Opening> {
  const known = () => Promise.all(senders.map((jid) => knownContact(account, jid)))
  const attempt = async (contacts: readonly Contact[]): Promise<Opening> => {
    const now = account.clock.now()
    const own = await account.own.all()
    const found = contacts.flatMap(({ jid, keys }) =>
      certificatesOf(jid, jid === account.jid ? own : [], keys),
    )
    const certificates = found.map(({ certificate }) => certificate)
    const opened = await openMessage(bytes, own, certificates, { now, isArchived: channel !== 'live' })
    return {
      opened,
      ownerOf: (wanted) => found.find(({ certificate }) => certificate.fingerprint === wanted)?.owner,
    }
  }
  const before = await known()
  let opening = await attempt(before)
  if (opening.opened.kind === 'locked' && (await unlock(account, opening.opened.fingerprints)))
    opening = await attempt(before)
  if (!isByUnknown(opening.opened)) return opening
  const after = await known()
  const stale = after.filter((contact) => mayRefresh(account, contact))
  await Promise.all(stale.map(({ jid }) => refreshContact(account, jid, { signal: account.closing })))
  // Another message, or another tab, may have had them read meanwhile.
  const isNews = after.some(({ readAt }, i) => readAt?.getTime() !== before[i]?.readAt?.getTime())
  return stale.length > 0 || isNews ? attempt(await known()) : opening
}

async function unlock({ own }: Account, fingerprints: readonly string[]): Promise<boolean> {
  let isOpen = false
  for (const fingerprint of fingerprints) isOpen = (await own.ask(fingerprint)) !== undefined || isOpen
  return isOpen
}

/** Also what does not verify: the sender may have a new subkey, or have a key certified anew. */
function isByUnknown(opened: OpenedMessage): boolean {
  if (opened.kind !== 'opened' || opened.signature.kind !== 'invalid') return false
  const { code } = opened.signature
  return code === 'signer-unknown' || code === 'signature-invalid'
}

/** Once a minute at most, so that nobody makes us ask for each message. */
function mayRefresh({ connection, clock }: Account, { readAt }: Contact): boolean {
  const age = readAt === undefined ? Number.NaN : clock.now() - readAt.getTime()
  return connection.jid !== undefined && !(age >= 0 && age < RETRY_MS)
}

function certificatesOf(
  owner: BareJid,
  ...keys: readonly (readonly { readonly certificate: Certificate | undefined }[])[]
): readonly SenderCertificate[] {
  return keys.flat().flatMap(({ certificate }) => (certificate ? [{ owner, certificate }] : []))
}

/** @internal Whether keys of an account may be missing here, rather than not its own. */
export async function mayLackKeys(account: Account, jid: BareJid): Promise<boolean> {
  const { problem, keys } = await knownContact(account, jid)
  const isWanting = ({ certificate, problem }: ContactKey) =>
    certificate === undefined && problem === 'certificate-unavailable'
  return account.connection.jid === undefined || problem === 'keys-unavailable' || keys.some(isWanting)
}
