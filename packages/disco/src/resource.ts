/** Who is there, and what they claim: one entry for each address that sends presence, occupants of rooms included. */

import { type BareJid, child, type Element, type FullJid, type Jid, parseJid } from '@xmpp-e2e/xml'
import { bounded } from './bounded.ts'
import { type Claim, claimsOf } from './claim.ts'

/** Addresses that are remembered: 8 rooms of 2000 occupants, or 4000 contacts with 4 clients. A few MiB. */
export const MAX_RESOURCES = 16_384

export interface Resource {
  /** A client or an occupant; or the bare address of a service. */
  readonly jid: BareJid | FullJid
  /** Of its last `<c/>` in this presence session. */
  readonly claims: readonly Claim[]
  /** Whether its last presence was signed (XEP-0027). The signature is not checked here. */
  readonly signed: boolean
}

export interface Resources {
  presence(stanza: Element): void
  get(jid: BareJid | FullJid): Resource | undefined
  /** Those that are there of an account, room or service. */
  of(jid: BareJid): readonly Resource[]
  clear(): void
}

export function resources(): Resources {
  const known = bounded<Resource>(MAX_RESOURCES)
  const of = (bare: BareJid): readonly Resource[] =>
    known
      .keys()
      .filter((key) => key === bare || key.startsWith(`${bare}/`))
      .flatMap((key) => known.get(key) ?? [])

  return {
    of,
    get: known.get,
    clear: known.clear,
    presence(stanza) {
      const { from, type } = stanza.attrs
      const address = from === undefined ? undefined : readJid(from)
      if (!address) return
      const { bare, full } = address
      const jid = full ?? bare
      if (type === undefined) {
        // Servers leave out a `<c/>` that has not changed (XEP-0115 §8.4).
        const claims = claimsOf(stanza) ?? known.get(jid)?.claims ?? []
        const signed = child(stanza, 'x', 'jabber:x:signed') !== undefined
        known.put(jid, { jid, claims, signed })
      } else if (type === 'unavailable' || type === 'error')
        for (const gone of full === undefined ? of(bare) : [{ jid }]) known.delete(gone.jid)
    },
  }
}

/** A server may let in by older rules what is no JID by those of today: `undefined`. */
export function readJid(written: string): Jid | undefined {
  try {
    return parseJid(written)
  } catch {
    return undefined
  }
}
