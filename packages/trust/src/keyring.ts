/**
 * All keys that an account knows in one protocol, and the steps that change what is thought of them. Each step is a pure
 * function; write what it changed in the commit of what caused it.
 *
 * Automatic trust management, XEP-0450, is on when the policy says so:
 *
 *     a person verifies or distrusts a key      → decideKey            → tells the verified others (`trust-notice.ts`)
 *     a trust message comes                     → receiveTrustMessage  → applied, or waits
 *     a key is seen for the first time          → meetKey              → what waited for it is applied
 */

import { type BareJid, type Bytes, hex } from '@xmpp-e2e/xml'
import { type Endpoint, isOwnKey } from './endpoint.ts'
import { checkKeyRef, type Decision, isFingerprint, isLevel, judge, type Key, type KeyRef } from './key.ts'
import { inOrder, isAboutItself, keepWaiting, type Statement, type Waiting } from './statement.ts'
import { ATM_NAMESPACE, type TrustMessage } from './trust-message.ts'
import { type TrustNotice, trustNotices } from './trust-notice.ts'

export interface Keyring {
  /** One entry a key. This endpoint's own key need not be among them, and is never changed. */
  readonly keys: readonly Key[]
  readonly waiting: Waiting
}

/** A decision that was not applied because a person, or better evidence, has said otherwise: ask the person. */
export interface Contest extends Decision {
  readonly key: Key
  /** Who sent the trust message. */
  readonly sender?: KeyRef | undefined
}

/** The outcome of a step. */
export interface KeyringStep {
  readonly keyring: Keyring
  /** The keys that are new or not as before. */
  readonly changed: readonly Key[]
  /** What the person should be asked about. Not kept: it was applied to nothing and waits for nothing. */
  readonly contested: readonly Contest[]
  /** Waiting statements for which there was no more room. */
  readonly dropped: readonly Statement[]
  /** Trust messages to send: XEP-0450 §4.1 to §4.4. */
  readonly notices: readonly TrustNotice[]
}

/**
 * Takes in a key that was fetched, or that a message came from. A known key keeps its level; only its label may change.
 * The own key of this endpoint is not taken in.
 *
 * @throws {TypeError} when the policy gives no level
 * @throws {RangeError} when `met` or the endpoint's own key is not canonical
 */
export function meetKey(
  keyring: Keyring,
  endpoint: Endpoint,
  met: KeyRef & { readonly label?: string | undefined },
): KeyringStep {
  checkKeyRef(met)
  const work = open(keyring, endpoint)
  if (isOwnKey(endpoint, met)) return work.close()
  const known = work.find(met)
  if (known !== undefined) {
    if (met.label !== undefined && met.label !== known.label) work.put({ ...known, label: met.label })
    return work.close()
  }
  const key = work.create(met)
  const level = endpoint.policy.first(key, keyring.keys)
  if (!isLevel(level)) throw new TypeError('policy: `first` gave no level')
  work.put({ ...key, level })
  work.settle()
  return work.close()
}

/**
 * Applies what a person did: compared, scanned, chose, restored. A key that is not known yet becomes known by it; of
 * several keys in one URI, decide one after another. `judge` says which decisions are contested.
 *
 * @throws {RangeError} when it is this endpoint's own key, either is not canonical, or the evidence is a trust message
 * @throws {TypeError} when the level or the evidence is none
 */
export function decideKey(
  keyring: Keyring,
  endpoint: Endpoint,
  decision: Decision & { readonly key: KeyRef },
): KeyringStep {
  const { key: ref, level, by, at } = decision
  checkKeyRef(ref)
  if (by === 'trust-message') throw new RangeError('by: a trust message is not decided, but received')
  if (isOwnKey(endpoint, ref)) throw new RangeError('key: the own key of this endpoint')
  const work = open(keyring, endpoint)
  const known = work.find(ref)
  const before = known ?? work.create(ref)
  const judged = judge(before, { level, by, at })
  if (judged.kind === 'contested') {
    work.contest({ key: before, level, by, at })
    return work.close()
  }
  if (known === undefined || judged.key !== known) work.put(judged.key)
  work.settle()
  // "Initially authenticates" (§4): not what others said before, and to those who were authenticated already.
  const isNews = judged.kind === 'changed' && (level === 'verified' || level === 'distrusted')
  const tells = endpoint.policy.trustMessages && isNews
  return work.close(tells ? trustNotices(endpoint, keyring.keys, judged.key) : [])
}

/** A trust message, and what the encryption knows about it. */
export interface ReceivedTrustMessage {
  readonly message: TrustMessage
  /** The key that authenticated the envelope. Its owner must be the address that the envelope names as sender. */
  readonly sender: KeyRef
  /** The time in the envelope. XEP-0434 §5.2.1 requires it: without one, do not call this. */
  readonly at: Date
  /** When the message came, on this endpoint's clock. A time in the envelope that is later counts as this. */
  readonly now: Date
  /**
   * The canonical fingerprint that a key identifier names, or `undefined` for what cannot be one. Its hex unless given:
   * in OMEMO and OX the identifier is the fingerprint.
   */
  readonly fingerprintOf?: ((keyId: Bytes, owner: BareJid) => string | undefined) | undefined
}

/**
 * Acts upon a trust message, or keeps what it says until its sender's key is verified and the key it is about is known.
 * Own endpoints may speak about all keys, a contact's about the contact's keys (§4.1.2, §4.2.2, §4.3.2, §4.4.2); all else
 * in the message is left out, and so is what an endpoint says about its own key or about that of this endpoint. Nothing
 * happens when the message is not for XEP-0450, is of another encryption, or the policy does not want it.
 *
 * @throws {RangeError} when a date is invalid, or `sender`, the endpoint's own key or what `fingerprintOf` gives is not
 *   canonical
 */
export function receiveTrustMessage(
  keyring: Keyring,
  endpoint: Endpoint,
  received: ReceivedTrustMessage,
): KeyringStep {
  const { message, sender } = received
  checkKeyRef(sender)
  const work = open(keyring, endpoint)
  const isOurs = message.usage === ATM_NAMESPACE && message.encryption === endpoint.protocol
  const isEcho = isOwnKey(endpoint, sender) && !endpoint.sharesKey
  if (endpoint.policy.trustMessages && isOurs && !isEcho) {
    work.settle(statementsOf(received).filter((statement) => mayState(endpoint, statement)))
  }
  return work.close()
}

function statementsOf(received: ReceivedTrustMessage): readonly Statement[] {
  const { message, sender, fingerprintOf = hex.encode } = received
  const time = Math.min(received.at.getTime(), received.now.getTime())
  if (Number.isNaN(time)) throw new RangeError('at, now: expected valid dates')
  const at = new Date(time)
  return message.keyOwners.flatMap(({ jid: owner, trust, distrust }) =>
    [trust, distrust].flatMap((ids, i) =>
      ids.flatMap((id) => {
        const fingerprint = fingerprintOf(id, owner)
        if (fingerprint !== undefined && !isFingerprint(fingerprint))
          throw new RangeError('fingerprintOf: expected canonical hex digits, in lower case')
        return fingerprint === undefined
          ? []
          : [{ sender, about: { owner, fingerprint }, trust: i === 0, at }]
      }),
    ),
  )
}

function mayState(endpoint: Endpoint, statement: Statement): boolean {
  const { sender, about } = statement
  if (isAboutItself(statement) || isOwnKey(endpoint, about)) return false
  const isByOwn = sender.owner === endpoint.account
  const isAboutOwn = about.owner === endpoint.account
  // §4: of the rules only those marked OOK.
  return endpoint.sharesKey ? isByOwn && !isAboutOwn : isByOwn || sender.owner === about.owner
}

/**
 * Applies those of a pool that need not wait, and returns the others. A key that is verified by one may be the sender of
 * more, so this goes on until none is ready.
 */
function applyReady(
  pool: readonly Statement[],
  isReady: (statement: Statement) => boolean,
  apply: (statement: Statement) => void,
): readonly Statement[] {
  let left = pool
  for (let ready = left.filter(isReady); ready.length > 0; ready = left.filter(isReady)) {
    const done = new Set<Statement>()
    for (const statement of inOrder(ready)) {
      // One before it may have distrusted its sender.
      if (!isReady(statement)) continue
      apply(statement)
      done.add(statement)
    }
    left = left.filter((statement) => !done.has(statement))
  }
  return left
}

const idOf = ({ owner, fingerprint }: KeyRef): string => `${owner}\n${fingerprint}`

/** The room that one step works in; nothing of it outlives the step. */
function open(keyring: Keyring, endpoint: Endpoint) {
  const { account, fingerprint, protocol, policy } = endpoint
  checkKeyRef({ owner: account, fingerprint })
  const keys = new Map(keyring.keys.map((key) => [idOf(key), key]))
  const changed = new Set<string>()
  const contested: Contest[] = []
  let settled: ReturnType<typeof keepWaiting> = { waiting: keyring.waiting, dropped: [] }

  const find = (ref: KeyRef): Key | undefined => keys.get(idOf(ref))
  const put = (key: Key): void => {
    keys.set(idOf(key), key)
    changed.add(idOf(key))
  }
  const contest = (one: Contest): void => {
    contested.push(one)
  }
  const isVerified = (ref: KeyRef): boolean => isOwnKey(endpoint, ref) || find(ref)?.level === 'verified'
  const isKnown = (ref: KeyRef): boolean =>
    isOwnKey(endpoint, ref) || (find(ref)?.level ?? 'distrusted') !== 'distrusted'
  const isReady = ({ sender, about }: Statement): boolean => isVerified(sender) && find(about) !== undefined

  function apply({ sender, about, trust, at }: Statement): void {
    const key = find(about)
    if (key === undefined) return
    const decision: Decision = { level: trust ? 'verified' : 'distrusted', by: 'trust-message', at }
    const judged = judge(key, decision)
    if (judged.kind === 'contested') contest({ ...decision, key, sender })
    if (judged.key !== key) put(judged.key)
  }

  return {
    find,
    put,
    contest,
    create: ({ owner, fingerprint, label }: KeyRef & { readonly label?: string | undefined }): Key => ({
      owner,
      fingerprint,
      protocol,
      level: 'undecided',
      own: owner === account,
      ...(label !== undefined && { label }),
    }),
    /** Applies what need not wait, now or any longer. */
    settle(added: readonly Statement[] = []): void {
      if (!policy.trustMessages) return
      const waiting = applyReady([...keyring.waiting, ...added], isReady, apply)
      // What was within the limits and became less still is.
      settled = added.length > 0 ? keepWaiting(waiting, account, isKnown) : { waiting, dropped: [] }
    },
    close(notices: readonly TrustNotice[] = []): KeyringStep {
      if (policy.blindEnds) for (const key of endBlind([...keys.values()])) put(key)
      return {
        keyring: { keys: [...keys.values()], waiting: settled.waiting },
        changed: [...changed].flatMap((id) => keys.get(id) ?? []),
        contested,
        dropped: settled.dropped,
        notices,
      }
    },
  }
}

/** §6.2: after the first verification, keys that were trusted blindly are not used until they are verified too. */
function endBlind(keys: readonly Key[]): readonly Key[] {
  const verified = new Set(keys.filter(({ level }) => level === 'verified').map(({ owner }) => owner))
  return keys
    .filter(({ owner, level, by }) => level === 'blind' && by === undefined && verified.has(owner))
    .map((key) => ({ ...key, level: 'undecided' }))
}
