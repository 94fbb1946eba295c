/** A message, encrypted and signed for all keys of its recipients and our own (XEP-0373 §3, XEP-0374 §2). */
import type { BareJid, Element } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import type { Bytes } from '../bytes.ts'
import { MAX_MESSAGE_BYTES, openpgpElement } from '../elements/openpgp-element.ts'
import { OxError } from '../error.ts'
import { keysOf } from '../keyring.ts'
import type { Certificate } from '../openpgp/certificate.ts'
import * as openpgp from '../openpgp/message.ts'
import type { SecretKey } from '../openpgp/secret-key.ts'
import type { Abortable } from '../options.ts'
import type { Encrypted, Refused, Signed } from '../outcome.ts'
import { namesOf, signedStanzaOf, stanzaOf } from './content-of.ts'
import { type Prepared, prepare, refused } from './preparation.ts'
import { MAX_RECIPIENT_KEYS, type Recipients, recipientsOf, withoutBroken } from './recipients.ts'
import { refOf, rememberSent } from './seen.ts'

/** @internal `<signcrypt/>`. @throws {TypeError | RangeError} on what is no message to them; the signal's reason */
export async function encrypt(
  account: Account,
  message: Element,
  to: readonly BareJid[],
  options: Abortable,
): Promise<Encrypted> {
  const prepared = await prepare(account, 'signcrypt', message, to, options)
  if (prepared.kind === 'refused') return prepared
  const signing = await signingKey(account)
  if (typeof signing === 'string') return refused(signing)
  const { content } = prepared
  const encrypted = await encryptedTo(account, message, prepared, options, (certificates, now) =>
    openpgp.signcrypt(content, signing, certificates, now),
  )
  if (encrypted.kind === 'encrypted')
    rememberSent(account, await refOf(signing.certificate.fingerprint, content))
  return encrypted
}

/** @internal `<crypt/>`: nobody's. */
export async function encryptUnsigned(
  account: Account,
  message: Element,
  to: readonly BareJid[],
  options: Abortable,
): Promise<Encrypted> {
  const prepared = await prepare(account, 'crypt', message, to, options)
  if (prepared.kind === 'refused') return prepared
  const { content } = prepared
  const encrypted = await encryptedTo(account, message, prepared, options, (certificates, now) =>
    openpgp.crypt(content, certificates, now),
  )
  if (encrypted.kind === 'encrypted') rememberSent(account, await refOf(undefined, content))
  return encrypted
}

/** @internal `<sign/>`: readable by everybody. */
export async function sign(
  account: Account,
  message: Element,
  to: readonly BareJid[],
  options: Abortable,
): Promise<Signed> {
  const prepared = await prepare(account, 'sign', message, to, options)
  if (prepared.kind === 'refused') return prepared
  const signing = await signingKey(account)
  if (typeof signing === 'string') return refused(signing)
  const { fingerprint } = signing.certificate
  const key = (await keysOf(account, account.jid)).find((key) => key.fingerprint === fingerprint)
  if (key === undefined) return refused('key-missing')
  const bytes = await openpgp.sign(prepared.content, signing, account.clock.now())
  rememberSent(account, await refOf(fingerprint, prepared.content))
  const stanza = signedStanzaOf(message, openpgpElement(bytes), prepared.parts)
  const { content, outside, withheld } = prepared.parts
  const exposed = namesOf([...content, ...outside])
  return { kind: 'signed', stanzas: [stanza], key, exposed, withheld: namesOf(withheld) }
}

/** The host is asked for a passphrase if need be. */
async function signingKey({ own }: Account): Promise<SecretKey | 'key-missing' | 'key-locked'> {
  const key = await own.signing()
  if (key === undefined || key.certificate.revoked !== undefined) return 'key-missing'
  if (!key.isLocked) return key
  return (await own.ask(key.certificate.fingerprint)) ?? 'key-locked'
}

async function encryptedTo(
  account: Account,
  message: Element,
  { parts, readers }: Prepared,
  options: Abortable,
  seal: (certificates: readonly Certificate[], now: number) => Promise<Bytes>,
): Promise<Encrypted> {
  const recipients = await recipientsOf(account, readers, options)
  // Whoever hears of another audience, or of new keys, can still stop it.
  if (options.signal?.aborted) throw options.signal.reason
  const now = account.clock.now()
  const refusal = refusalOf(recipients)
  if (refusal !== undefined) return refusal
  let sealed: Bytes
  let usable = recipients
  try {
    sealed = await seal(recipients.certificates, now)
  } catch (error) {
    if (!(error instanceof OxError) || error.code !== 'certificate-malformed') throw error
    usable = await withoutBroken(recipients, now)
    const refusal = refusalOf(usable)
    if (refusal !== undefined) return refusal
    sealed = await seal(usable.certificates, now)
  }
  const { keys, skipped } = usable
  // With large keys, fewer of them fit.
  if (sealed.length > MAX_MESSAGE_BYTES) return refused('recipients-too-many', { skipped })
  const stanza = stanzaOf(message, openpgpElement(sealed), parts)
  const [exposed, withheld] = [namesOf(parts.outside), namesOf(parts.withheld)]
  return { kind: 'encrypted', stanzas: [stanza], keys, skipped, exposed, withheld }
}

function refusalOf({ isReached, ask, skipped, certificates }: Recipients): Refused | undefined {
  if (!isReached || certificates.length === 0)
    return refused(ask.length > 0 ? 'keys-undecided' : 'recipients-unreachable', { ask, skipped })
  return certificates.length > MAX_RECIPIENT_KEYS ? refused('recipients-too-many', { skipped }) : undefined
}
