/** Message stanzas around `<encrypted/>`, and the copies that a server makes of them (XEP-0280). */
import { messageChildren } from '@xmpp-e2e/omemo/primitives'
import { type BareJid, type Element, element } from '@xmpp-e2e/xml'

const CLIENT = 'jabber:client'

export function messageStanza(from: BareJid, to: BareJid, encrypted: readonly Element[]): Element {
  return element(CLIENT, 'message', { from, to, type: 'chat' }, messageChildren(encrypted))
}

/** What the sender's other devices get: the message as it went out. */
export function sentCarbon(account: BareJid, message: Element): Element {
  const forwarded = element('urn:xmpp:forward:0', 'forwarded', {}, [message])
  return element(CLIENT, 'message', { from: account, to: account, type: 'chat' }, [
    element('urn:xmpp:carbons:2', 'sent', {}, [forwarded]),
  ])
}
