/** What to show beside a message that is what it says it is. */
import type { Key } from '@xmpp-e2e/trust'
import type { Received } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import type { Content } from '../elements/content.ts'
import { knownContact } from '../key/contact.ts'
import type { WarningCode } from '../outcome.ts'

/**
 * How far the author's time may be from when the stanza was sent, in milliseconds, before there is a warning: ten minutes, since
 * two clocks are compared and each may be off by five.
 */
export const TIME_TOLERANCE = 600_000

/** @internal Those of the certificate first. */
export async function warningsOf(
  account: Account,
  received: Received,
  { kind, to, time }: Content,
  key: Key | undefined,
  ofCertificate: readonly WarningCode[],
): Promise<readonly WarningCode[]> {
  const warnings: WarningCode[] = [...ofCertificate]
  if (key?.level === 'undecided') warnings.push('key-undecided')
  if (key !== undefined && !(await isListed(account, key))) warnings.push('key-unlisted')
  if (Math.abs(time.getTime() - sentAt(account, received)) > TIME_TOLERANCE) warnings.push('time-skew')
  if (kind === 'crypt' && to.length === 0) warnings.push('not-addressed')
  return warnings
}

/** Nobody says when a message was sent that came just now, and whoever says it of too many times says nothing. */
function sentAt({ clock }: Account, { sentAt }: Received): number {
  return sentAt?.getTime() ?? clock.now()
}

/** Secret keys that are here need not be announced yet. */
async function isListed(account: Account, { owner, fingerprint }: Key): Promise<boolean> {
  const isOurs =
    owner === account.jid &&
    (await account.own.all()).some(({ certificate }) => certificate.fingerprint === fingerprint)
  if (isOurs) return true
  const { keys } = await knownContact(account, owner)
  return keys.some((key) => key.fingerprint === fingerprint && key.isListed)
}
