/** A message, encrypted and signed for all keys of its recipients and our own (XEP-0373 §3, XEP-0374 §2). */
import type { BareJid, Element } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import type { Abortable } from '../options.ts'
import type { Encrypted, Signed } from '../outcome.ts'

/** @internal `<signcrypt/>`. @throws {TypeError} on what is no message to them; the signal's reason */
export async function encrypt(
  _account: Account,
  _message: Element,
  _to: readonly BareJid[],
  _options: Abortable,
): Promise<Encrypted> {
  throw new Error('to be written')
}

/** @internal `<crypt/>`: nobody's. */
export async function encryptUnsigned(
  _account: Account,
  _message: Element,
  _to: readonly BareJid[],
  _options: Abortable,
): Promise<Encrypted> {
  throw new Error('to be written')
}

/** @internal `<sign/>`: readable by everybody. */
export async function sign(
  _account: Account,
  _message: Element,
  _to: readonly BareJid[],
  _options: Abortable,
): Promise<Signed> {
  throw new Error('to be written')
}
