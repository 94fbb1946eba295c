import { type Jid, parseJid } from '@xmpp-e2e/xml'

/** A server may let in by older rules what is no JID by those of today: `undefined`. */
export function readJid(written: string): Jid | undefined {
  try {
    return parseJid(written)
  } catch {
    return undefined
  }
}
