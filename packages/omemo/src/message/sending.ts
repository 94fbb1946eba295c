import type { Signal } from '@xmpp-e2e/store'
import type { BareJid, Element } from '@xmpp-e2e/xml'
import type { Account } from '../account.ts'
import type { Encrypted } from '../outcome.ts'

/** @internal */
export async function encrypt(
  _account: Account,
  _message: Element,
  _to: readonly BareJid[],
  _options: { readonly signal?: Signal | undefined },
): Promise<Encrypted> {
  throw new Error('to be written')
}
