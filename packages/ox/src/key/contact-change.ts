/**
 * What is learnt of an account's keys goes into one commit: its list, certificates, merged into those that are here, and the
 * keys that were not met before.
 */
import type { Reader } from '@xmpp-e2e/store'
import type { BareJid } from '@xmpp-e2e/xml'
import { type Account, change, type Decision } from '../account.ts'
import type { OxEvent } from '../event.ts'
import { meet } from '../keyring.ts'
import { type Certificate, mergeCertificates } from '../openpgp/certificate.ts'
import { records } from '../record.ts'
import { storedCertificate } from './contact.ts'
import {
  type CertificateState,
  type ContactRecord,
  decodeContact,
  encodeContact,
  type KeyRecord,
} from './contact-record.ts'

/**
 * Keys of one account that it does not announce any more, but whose certificates are kept, so that old messages can be read.
 * Of more, the ones that were met first are forgotten: a server must not fill the store with lists that are ever new.
 */
export const MAX_UNLISTED_KEYS = 64

/** @internal `next` may run several times. @throws {OxError} `state-malformed`, `state-version-unknown` */
export function changeContact(
  account: Account,
  jid: BareJid,
  next: (before: ContactRecord) => ContactRecord,
  found: readonly Certificate[] = [],
): Promise<ContactRecord> {
  return change(account, [records.contact(jid)], async ([bytes], reader) => {
    const before = decodeContact(bytes)
    return decide(account, reader, { jid, before, after: next(before), found })
  })
}

interface Step {
  readonly jid: BareJid
  readonly before: ContactRecord
  readonly after: ContactRecord
  readonly found: readonly Certificate[]
}

async function decide(account: Account, reader: Reader, step: Step): Promise<Decision<ContactRecord>> {
  const { jid, before, after, found } = step
  const names = new Map(after.keys.map(({ fingerprint }) => [fingerprint, records.cert(jid, fingerprint)]))
  const values = await reader.read([...names.values()])
  const now = account.clock.now()
  const merged = new Map<string, Certificate>()
  for (const [i, fingerprint] of [...names.keys()].entries()) {
    const old = await storedCertificate(values[i], fingerprint, now)
    const newer = found.find((one) => one.fingerprint === fingerprint)
    const certificate = old && newer ? await mergeCertificates(old, newer, now) : (newer ?? old)
    if (certificate !== undefined) merged.set(fingerprint, certificate)
  }
  const kept = withoutExcess(after.keys, merged)
  const keys = kept.map((key) => ({ ...key, state: stateOf(merged.get(key.fingerprint)) }))
  const record = { ...after, keys }
  const usable = keys.filter(({ fingerprint }) => merged.has(fingerprint))
  const met = await meet(
    account,
    reader,
    jid,
    usable.map(({ fingerprint }) => fingerprint),
  )
  const told = new Map(before.keys.map(({ fingerprint, state }) => [fingerprint, state]))
  const states = usable.flatMap(({ fingerprint, state }, i): readonly OxEvent[] => {
    const key = met.keys[i]
    const isNews = state !== undefined && state !== told.get(fingerprint)
    return key !== undefined && isNews ? [{ kind: 'certificate-changed', key, state }] : []
  })
  const isKept = new Set(kept.map(({ fingerprint }) => fingerprint))
  return {
    put: [
      [records.contact(jid), encodeContact(record)],
      ...found.flatMap(({ fingerprint }) => {
        const bytes = merged.get(fingerprint)?.bytes
        return bytes !== undefined && isKept.has(fingerprint)
          ? [[records.cert(jid, fingerprint), bytes] as const]
          : []
      }),
      ...met.put,
    ],
    delete: before.keys.flatMap(({ fingerprint }) =>
      isKept.has(fingerprint) ? [] : [records.cert(jid, fingerprint)],
    ),
    events: [...met.events, ...(await listEvents(account, jid, before, record)), ...states],
    result: record,
  }
}

/** Those that were never more than a line of a list leave nothing behind. */
function withoutExcess(
  keys: readonly KeyRecord[],
  certificates: ReadonlyMap<string, Certificate>,
): readonly KeyRecord[] {
  const unlisted = keys.filter(({ listed, fingerprint }) => !listed && certificates.has(fingerprint))
  const kept = new Set(unlisted.slice(-MAX_UNLISTED_KEYS))
  return keys.filter((key) => key.listed || kept.has(key))
}

function stateOf(certificate: Certificate | undefined): CertificateState | undefined {
  if (certificate?.revoked !== undefined) return certificate.revoked === 'hard' ? 'revoked-hard' : 'revoked'
  return certificate?.problem === 'certificate-expired' ? 'expired' : undefined
}

async function listEvents(
  account: Account,
  jid: BareJid,
  before: ContactRecord,
  after: ContactRecord,
): Promise<readonly OxEvent[]> {
  const listed = ({ keys }: ContactRecord) =>
    keys.filter((key) => key.listed).map(({ fingerprint }) => fingerprint)
  const [old, now] = [listed(before), listed(after)]
  const added = now.filter((fingerprint) => !old.includes(fingerprint))
  const removed = old.filter((fingerprint) => !now.includes(fingerprint))
  if (added.length + removed.length === 0) return []
  const events: OxEvent[] = [{ kind: 'keys-changed', jid, added, removed }]
  if (jid !== account.jid) return events
  const ours = (await account.own.all()).map(({ certificate }) => certificate.fingerprint)
  const elsewhere = added.filter((fingerprint) => !ours.includes(fingerprint))
  return [...events, ...elsewhere.map((fingerprint) => ({ kind: 'own-key-elsewhere', fingerprint }) as const)]
}
