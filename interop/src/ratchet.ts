/**
 * One end of a ratchet session as records of a store, with everything that a crash could tear apart: each message
 * changes the session and the journal of what was said, in one commit.
 *
 *     identity, prekeys        never change
 *     current, archived        the session, as `encodeSessions` gives it
 *     both                     the two of them in one record, to be compared with them
 *     sent, received           how many entries there are, as text
 *     sent/<n>, received/<id>  what was said
 */
import {
  decodeIdentity,
  decodePreKeys,
  decodeSessions,
  decryptMessage,
  encodeIdentity,
  encodePreKeys,
  encodeSessions,
  encryptMessage,
  generateIdentity,
  generatePreKeys,
  initiateSession,
  type Namespace,
  payloadCiphers,
  protocols,
  publishedBundle,
  run,
  type SessionList,
  type StoredSessions,
  verifyBundle,
  withInitiated,
} from '@xmpp-e2e/omemo/primitives'
import { type Put, type Reader, type Store, update } from '@xmpp-e2e/store'

type Bytes = ReturnType<typeof Uint8Array.of>

/** What one end says to the other, as JSON: bytes in base64. */
export interface Letter {
  readonly data: string
  readonly payload: string
  readonly iv?: string
}

export interface End {
  readonly namespace: Namespace
  readonly deviceId: number
  readonly identity: Bytes
  readonly preKeys: Bytes
  readonly sessions: StoredSessions
}

const DEVICE_IDS = [1001, 1002] as const

const toBase64 = (bytes: Uint8Array): string =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
const fromBase64 = (text: string): Bytes => Uint8Array.from(atob(text), (unit) => unit.charCodeAt(0))
const toBytes = (text: string): Bytes => new Uint8Array(new TextEncoder().encode(text))
const toText = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes)

/** Both ends of a session that each has heard the other on. */
export function freshEnds(namespace: Namespace): readonly [End, End] {
  const [ours, theirs] = DEVICE_IDS.map((deviceId) => {
    const identity = generateIdentity()
    return { namespace, deviceId, identity, preKeys: run(generatePreKeys(2)) }
  }) as [Parts, Parts]
  const bundle = run(
    verifyBundle(
      protocols[namespace],
      publishedBundle(protocols[namespace], theirs.identity, theirs.preKeys),
    ),
  )
  const opened = withInitiated(
    undefined,
    run(initiateSession(protocols[namespace], ours, bundle, Date.now())),
  )
  const first = seal({ ...encoded(ours), sessions: encodeSessions(opened) }, 'hello')
  const accepted = open({ ...encoded(theirs), sessions: undefined }, first.letter)
  const answer = seal(accepted.end, 'hello to you')
  return [open(first.end, answer.letter).end, answer.end]
}

interface Parts {
  readonly namespace: Namespace
  readonly deviceId: number
  readonly identity: ReturnType<typeof generateIdentity>
  readonly preKeys: ReturnType<typeof decodePreKeys>
}

const encoded = ({ identity, preKeys, ...rest }: Parts): Omit<End, 'sessions'> => ({
  ...rest,
  identity: encodeIdentity(identity),
  preKeys: encodePreKeys(preKeys),
})

/** @throws OmemoError when what is stored of the session cannot be read */
export function seal(end: End, body: string): { readonly end: End; readonly letter: Letter } {
  const sealed = payloadCiphers[end.namespace].seal(toBytes(body))
  const { sessions, message } = run(
    encryptMessage(selfOf(end), decodeSessions(end.sessions), sealed.keyMaterial),
  )
  const letter = {
    data: toBase64(message.data),
    payload: toBase64(sealed.payload),
    ...(sealed.iv && { iv: toBase64(sealed.iv) }),
  }
  return { end: { ...end, sessions: encodeSessions(sessions) }, letter }
}

/** @throws OmemoError, `message-duplicate` among others: a key that was used already */
export function open(
  end: Omit<End, 'sessions'> & { readonly sessions: StoredSessions | undefined },
  { data, payload, iv }: Letter,
): { readonly end: End; readonly body: string } {
  const known: SessionList | undefined = end.sessions && decodeSessions(end.sessions)
  const state = { self: selfOf(end), preKeys: decodePreKeys(end.preKeys), sessions: known }
  const arrival = { channel: 'live', sentAt: Date.now() } as const
  const { sessions, plaintext } = run(
    decryptMessage(protocols[end.namespace], state, fromBase64(data), arrival),
  )
  const body = payloadCiphers[end.namespace].open({
    payload: fromBase64(payload),
    keyMaterial: plaintext,
    iv: iv === undefined ? undefined : fromBase64(iv),
  })
  return { end: { ...end, sessions: encodeSessions(sessions) }, body: toText(body) }
}

const selfOf = ({ identity, deviceId }: Pick<End, 'identity' | 'deviceId'>) => ({
  identity: decodeIdentity(identity),
  deviceId,
})

/** Puts one end into an empty store. */
export async function place(store: Store, end: End): Promise<void> {
  const put: Put[] = [
    ['identity', end.identity],
    ['prekeys', end.preKeys],
    ['namespace', toBytes(end.namespace)],
    ['device', toBytes(`${end.deviceId}`)],
    ['sent', toBytes('0')],
    ['received', toBytes('0')],
    ...sessionPuts(end),
  ]
  if (!(await store.commit([], { put }))) throw new Error('the first commit was refused')
}

/** Says something: the letter may leave when this has resolved. */
export function send(store: Store, body: string): Promise<{ readonly n: number; readonly letter: Letter }> {
  return update(store, KEYS, async (values, reader) => {
    const { end, sent } = endOf(values)
    const { end: next, letter } = seal(end, body)
    await pause(reader)
    const put: Put[] = [
      ...sessionPuts(next),
      ['sent', toBytes(`${sent + 1}`)],
      [`sent/${sent}`, toBytes(body)],
    ]
    return { put, result: { n: sent, letter } }
  })
}

/** Hears something; the same again if it has been heard already. */
export function receive(store: Store, id: string, letter: Letter): Promise<string> {
  return update(store, [...KEYS, `received/${id}`], async (values, reader) => {
    const heard = values[KEYS.length]
    if (heard) return { result: toText(heard) }
    const { end, received } = endOf(values)
    const { end: next, body } = open(end, letter)
    await pause(reader)
    const put: Put[] = [
      ...sessionPuts(next),
      ['received', toBytes(`${received + 1}`)],
      [`received/${id}`, toBytes(body)],
    ]
    return { put, result: body }
  })
}

/** What the journal says. @throws {Error} when records disagree that were written together */
export interface Journal {
  readonly sent: Readonly<Record<string, string>>
  readonly received: Readonly<Record<string, string>>
}

export function journal(store: Store): Promise<Journal> {
  return update(store, KEYS, async (values, reader) => {
    const { end, sent, received } = endOf(values)
    decodeSessions(end.sessions)
    const entries = async (prefix: string, count: number) => {
      const listed = await reader.list(prefix)
      if (listed.length !== count) throw new Error(`torn: ${listed.length} of ${count} under ${prefix}`)
      return Object.fromEntries(listed.map(([key, value]) => [key.slice(prefix.length), toText(value)]))
    }
    return { result: { sent: await entries('sent/', sent), received: await entries('received/', received) } }
  })
}

const KEYS = ['namespace', 'device', 'identity', 'prekeys', 'current', 'archived', 'both', 'sent', 'received']

function endOf(values: readonly (Bytes | undefined)[]) {
  const [namespace, device, identity, preKeys, current, archived, both, sent, received] = values
  if (!identity || !preKeys || !current || !archived || !both) throw new Error('torn: a record is missing')
  if (toBase64(both) !== toBase64(joined(current, archived)))
    throw new Error('torn: a session of two commits')
  const end: End = {
    namespace: toText(namespace) as Namespace,
    deviceId: Number(toText(device)),
    identity,
    preKeys,
    sessions: { current, archived },
  }
  return { end, sent: Number(toText(sent)), received: Number(toText(received)) }
}

function sessionPuts({ sessions: { current, archived } }: End): Put[] {
  return [
    ['current', current],
    ['archived', archived],
    ['both', joined(current, archived)],
  ]
}

function joined(a: Uint8Array, b: Uint8Array): Bytes {
  const bytes = new Uint8Array(a.length + b.length)
  bytes.set(a)
  bytes.set(b, a.length)
  return bytes
}

/** A reading in the middle of an update gives others the time to be faster. */
async function pause(reader: Reader): Promise<void> {
  await reader.read(['current'])
}
