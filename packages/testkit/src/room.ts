import type { BareJid } from '@xmpp-e2e/xml'
export interface Room {
  readonly jid: BareJid
}
