import { type BareJid, type FullJid, type Jid, parseJid } from '@xmpp-e2e/xml'

/** @throws {JidError} when it is none */
export function address(jid: string): BareJid | FullJid {
  const { bare, full } = parseJid(jid)
  return full ?? bare
}

/** A server may let in by older rules what is no JID by those of today: `undefined`. */
export function readJid(written: string): Jid | undefined {
  try {
    return parseJid(written)
  } catch {
    return undefined
  }
}
