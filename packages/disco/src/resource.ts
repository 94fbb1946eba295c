/** Who is there, and what they claim: one entry for each address that sends presence, occupants of rooms included. */

import { type BareJid, child, type Element, type FullJid } from '@xmpp-e2e/xml'
import { readJid } from './address.ts'
import { type Claim, claimsOf } from './claim.ts'
import { fresh } from './fresh.ts'

/**
 * Addresses that are remembered: 8 rooms of 2000 occupants, or 4000 contacts with 4 clients. Some MiB; if each has the
 * longest address and claims that are read, 7 k UTF-16 code units, 115 Mi of them: as much as it takes to send.
 */
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
  /** Whether those are all: nobody at this address has been forgotten for others. */
  hasAll(jid: BareJid): boolean
  clear(): void
}

/** The addresses of one domain, the one whose last presence is oldest first. */
interface Domain {
  readonly entries: Map<string, Resource>
  isComplete: boolean
}

/**
 * Where there are too many, the domain with the most loses its oldest: strangers of one server, however many, push out
 * each other and not the contacts of the user elsewhere.
 */
export function resources(): Resources {
  const domains = new Map<string, Domain>()
  let count = 0
  /** Whether a domain is gone of which somebody had been forgotten: what comes anew from anywhere may not be all. */
  let isUncertain = false

  const domainOf = (jid: string) => {
    const bare = jid.split('/', 1)[0] ?? ''
    return bare.slice(bare.indexOf('@') + 1)
  }

  function remove(name: string, domain: Domain, jid: string): void {
    if (!domain.entries.delete(jid)) return
    count -= 1
    if (domain.entries.size > 0) return
    domains.delete(name)
    isUncertain ||= !domain.isComplete
  }

  function forgetOne(): void {
    let found: readonly [string, Domain] | undefined
    for (const one of domains) if (!found || one[1].entries.size > found[1].entries.size) found = one
    if (!found) return
    const [name, fullest] = found
    const [oldest = ''] = fullest.entries.keys()
    fullest.isComplete = false
    remove(name, fullest, oldest)
  }

  function put(resource: Resource): void {
    const name = domainOf(resource.jid)
    const domain = domains.get(name) ?? { entries: new Map(), isComplete: !isUncertain }
    domains.set(name, domain)
    if (domain.entries.delete(resource.jid)) count -= 1
    domain.entries.set(resource.jid, resource)
    count += 1
    if (count > MAX_RESOURCES) forgetOne()
  }

  const get = (jid: BareJid | FullJid) => domains.get(domainOf(jid))?.entries.get(jid)
  const of = (bare: BareJid): readonly Resource[] =>
    [...(domains.get(domainOf(bare))?.entries.values() ?? [])].filter(
      ({ jid }) => jid === bare || jid.startsWith(`${bare}/`),
    )

  return {
    of,
    get,
    hasAll: (jid) => domains.get(domainOf(jid))?.isComplete ?? !isUncertain,
    clear() {
      domains.clear()
      count = 0
      isUncertain = false
    },
    presence(stanza) {
      const { from, type } = stanza.attrs
      const address = from === undefined ? undefined : readJid(from)
      if (!address) return
      const { bare, full } = address
      const jid = full ?? bare
      if (type === undefined) {
        // Servers leave out a `<c/>` that has not changed (XEP-0115 §8.4).
        const claims = claimsOf(stanza) ?? get(jid)?.claims ?? []
        const signed = child(stanza, 'x', 'jabber:x:signed') !== undefined
        put({ jid: fresh(jid), claims, signed })
      } else if (type === 'unavailable' || type === 'error') {
        const name = domainOf(bare)
        const domain = domains.get(name)
        if (domain)
          for (const gone of full === undefined ? of(bare) : [{ jid }]) remove(name, domain, gone.jid)
      }
    },
  }
}
