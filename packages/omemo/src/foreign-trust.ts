/** What another program's user has decided about keys. */
import { judge, type Key, type KeyRef, type Level, parseFingerprint, TrustError } from '@xmpp-e2e/trust'
import { type BareJid, bareJid } from '@xmpp-e2e/xml'
import { OmemoError } from './error.ts'
import { fingerprint, fromEdwards, fromMontgomery } from './identity-key.ts'
import { OMEMO_2 } from './protocol.ts'

/** A key, and what was thought of it. */
export interface ForeignKey {
  readonly jid: string
  /**
   * Its fingerprint as hex of the Montgomery form, with or without libsignal's 05; or the public key as bytes, of
   * Curve25519 (32, or 33 with the 05) or Ed25519, for programs that show omemo:2 keys in another form.
   */
  readonly key: string | { readonly curve25519: Uint8Array } | { readonly ed25519: Uint8Array }
  readonly level: Level
  /** When it was decided; now unless given. */
  readonly at?: Date | undefined
}

/** @internal By owner, each key once. `drop` is told of what is no key. */
export function importedKeys(
  given: readonly ForeignKey[],
  self: KeyRef,
  now: Date,
  drop: (which: string, why: string) => void,
): ReadonlyMap<BareJid, readonly Key[]> {
  const byOwner = new Map<BareJid, Map<string, Key>>()
  for (const one of given) {
    const owner = bareJid.decode(one.jid)
    const print = fingerprintOf(one.key)
    if (owner === undefined || print === undefined) {
      drop(one.jid, owner === undefined ? 'it is no bare JID' : 'its key is none')
      continue
    }
    if (owner === self.owner && print === self.fingerprint) continue
    const keys = byOwner.get(owner) ?? new Map<string, Key>()
    byOwner.set(owner, keys)
    const own = owner === self.owner
    const known: Key = keys.get(print) ?? {
      owner,
      fingerprint: print,
      protocol: OMEMO_2,
      level: 'undecided',
      own,
    }
    keys.set(print, one.level === 'undecided' ? known : judged(known, one, now))
  }
  return new Map([...byOwner].map(([owner, keys]) => [owner, [...keys.values()]]))
}

function judged(known: Key, { level, at }: ForeignKey, now: Date): Key {
  const time = at === undefined || Number.isNaN(at.getTime()) || at > now ? now : at
  return judge(known, { level, by: 'import', at: time }).key
}

function fingerprintOf(key: ForeignKey['key']): string | undefined {
  try {
    if (typeof key === 'string') return parseFingerprint('omemo', key)
    if ('ed25519' in key) return fingerprint(fromEdwards(key.ed25519))
    const { curve25519: bytes } = key
    return fingerprint(fromMontgomery(bytes.length === 33 && bytes[0] === 5 ? bytes.subarray(1) : bytes))
  } catch (error) {
    if (error instanceof TrustError || error instanceof OmemoError) return undefined
    throw error
  }
}
