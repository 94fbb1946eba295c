/** Whose keys a message is encrypted to, and who is left out, and why (XEP-0374 §2.3.1: all keys of all recipients). */
import type { Signal } from '@xmpp-e2e/store'
import type { Key } from '@xmpp-e2e/trust'
import type { BareJid } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import type { Contact } from '../key/contact.ts'
import { contactOf } from '../key/contact-refresh.ts'
import { keysOf } from '../keyring.ts'
import type { Certificate } from '../openpgp/certificate.ts'
import { crypt } from '../openpgp/message.ts'
import type { Skipped } from '../outcome.ts'

/**
 * Keys of one message: an ECDH packet takes about 100 bytes, 130 in base64, so that a thousand take half of a stanza of
 * 256 KiB.
 */
export const MAX_RECIPIENT_KEYS = 1000

/** @internal */
export interface Recipients {
  readonly keys: readonly Key[]
  readonly certificates: readonly Certificate[]
  readonly skipped: readonly Skipped[]
  /** Keys to decide about. */
  readonly ask: readonly Key[]
  /** Whether any recipient is reached, ourselves aside. */
  readonly isReached: boolean
}

interface Found {
  readonly key: Key
  readonly certificate: Certificate
}

/** @internal @throws the signal's reason */
export async function recipientsOf(
  account: Account,
  to: readonly BareJid[],
  options: { readonly signal?: Signal | undefined },
): Promise<Recipients> {
  const { jid, policy } = account
  const others = [...new Set(to)].filter((one) => one !== jid)
  const contacts = await Promise.all([...others, jid].map((one) => contactOf(account, one, options)))
  const sorted = await Promise.all(contacts.map((contact) => sort(account, contact)))
  const found = [...sorted.flatMap((one) => one.found), ...(await ownKeys(account))]
  const unique = [...new Map(found.map((one) => [one.certificate.fingerprint, one])).values()]
  const used = unique.filter(({ key }) => key.own || policy.maySend(key.level))
  const skipped = [
    ...sorted.flatMap((one) => one.skipped),
    ...unique.flatMap(({ key }) => (key.own || policy.maySend(key.level) ? [] : [untrusted(key)])),
  ].filter(({ owner, key, fingerprint }) => owner !== jid || key !== undefined || fingerprint !== undefined)
  return {
    keys: used.map(({ key }) => key),
    certificates: used.map(({ certificate }) => certificate),
    skipped,
    ask: skipped.flatMap(({ key, code }) => (code === 'key-undecided' && key ? [key] : [])),
    isReached: isReached(used.map(({ key }) => key)) || others.length === 0,
  }
}

function isReached(keys: readonly Key[]): boolean {
  return keys.some((key) => !key.own)
}

/** @internal Without those that look right and cannot be encrypted to: one by one, since openpgp does not say which. */
export async function withoutBroken(recipients: Recipients, now: number): Promise<Recipients> {
  const areUsable = await Promise.all(
    recipients.certificates.map((certificate) =>
      crypt(Uint8Array.of(0), [certificate], now).then(
        () => true,
        () => false,
      ),
    ),
  )
  const keys = recipients.keys.filter((_, i) => areUsable[i])
  const broken = recipients.keys.filter((_, i) => !areUsable[i])
  return {
    ...recipients,
    keys,
    certificates: recipients.certificates.filter((_, i) => areUsable[i]),
    skipped: [
      ...recipients.skipped,
      ...broken.map((key) => ({
        owner: key.owner,
        fingerprint: key.fingerprint,
        key,
        code: 'certificate-malformed' as const,
      })),
    ],
    isReached: isReached(keys) || !isReached(recipients.keys),
  }
}

function untrusted(key: Key): Skipped {
  const { owner, fingerprint, level } = key
  return { owner, fingerprint, key, code: level === 'distrusted' ? 'key-distrusted' : 'key-undecided' }
}

/** Those that are listed, and can be encrypted to. */
async function sort(
  account: Account,
  { jid, keys, problem }: Contact,
): Promise<{ readonly found: readonly Found[]; readonly skipped: readonly Skipped[] }> {
  const trust = new Map((await keysOf(account, jid)).map((key) => [key.fingerprint, key]))
  const found: Found[] = []
  const skipped: Skipped[] = []
  for (const { fingerprint, isListed, certificate, problem } of keys) {
    if (!isListed) continue
    const key = trust.get(fingerprint)
    if (
      certificate !== undefined &&
      key !== undefined &&
      certificate.problem === undefined &&
      problem === undefined
    )
      found.push({ key, certificate })
    else skipped.push({ owner: jid, fingerprint, key, code: problem ?? 'certificate-missing' })
  }
  if (found.length === 0 && skipped.length === 0)
    skipped.push({ owner: jid, code: problem ?? 'keys-missing' })
  return { found, skipped }
}

/** Also those that are not announced (yet): what we write we want to read. */
async function ownKeys(account: Account): Promise<readonly Found[]> {
  const trust = new Map((await keysOf(account, account.jid)).map((key) => [key.fingerprint, key]))
  return (await account.own.all()).flatMap(({ certificate }) => {
    const key = trust.get(certificate.fingerprint)
    return key !== undefined && certificate.problem === undefined ? [{ key, certificate }] : []
  })
}
