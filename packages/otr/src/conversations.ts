/**
 * Everything that must not outlive the process: conversations with each address of each contact, and which of them a
 * contact's messages go to. Work on the conversations of one contact is done one after another.
 *
 *     nothing       a key exchange ends                                  selected, expected = its key
 *     selected      the same key at another address, if this one has
 *                   no session any more, or a message comes from there   that is selected
 *     selected      another key                                          not selected, `keyChanged`
 *     selected      stream or peer gone                                  stays, finished: nothing goes out
 *     selected      `end`, of the last session of the contact's          nothing
 */
import { type BareJid, bare } from '@xmpp-e2e/xml'
import { type Account, meansFor, runWithPauses } from './account.ts'
import { type AccountEvent, toldOf } from './account-event.ts'
import { type News, note } from './keyring.ts'
import type { SessionInfo } from './outcome.ts'
import {
  type Conversation,
  createConversation,
  discarded,
  isEncrypted,
  isPrivate,
  isUnused,
  type OtrMeans,
  type OtrStep,
} from './protocol/conversation.ts'
import type { ConversationEvent } from './protocol/event.ts'
import { lose } from './protocol/losing.ts'
import { nextTick, tick } from './protocol/outgoing.ts'
import { viewSession } from './protocol/session.ts'
import type { Slices } from './protocol/slices.ts'
import { decodeContact, records } from './record.ts'
import { controlStanza } from './xmpp.ts'

/**
 * Addresses without a session of which something is remembered: that an error went out, or pieces of a message, 2 MiB
 * at most of each: 64 MiB. One more, and the one that was silent for longest is forgotten.
 */
export const MAX_STRANGERS = 32
/**
 * Addresses with a session, live or finished. One more, and the one that was silent for longest is forgotten, but never
 * one that the application talks to: with it would go which key its messages are meant for, and that they are private.
 */
export const MAX_PEERS = 1000

/** @internal */
export type Work = (conversation: Conversation, means: OtrMeans) => OtrStep | Slices<OtrStep>

/** @internal */
export interface Conversations {
  /** Has work on a contact done after what was begun before. */
  inTurn<T>(contact: BareJid, work: () => Promise<T>): Promise<T>
  /**
   * Within a turn: does something, stores what is to be stored, keeps the conversation, sends what is to be sent unless
   * it is held back, then tells what happened.
   */
  perform(address: string, work: Work, options?: { readonly holdsBack?: boolean }): Promise<Performed>
  /** Sends texts of OTR's own, one after another; what fails is told. */
  send(address: string, texts: readonly string[]): Promise<void>
  get(address: string): Conversation | undefined
  /** Where messages to a contact go. */
  selected(contact: BareJid): string | undefined
  /** The fingerprint of the key that messages to a contact are meant for, as long as there is a session with anybody there. */
  expected(contact: BareJid): string | undefined
  /** The application talks to the contact. */
  engage(contact: BareJid): void
  /** The user's word. */
  select(contact: BareJid, address: string): void
  addressesOf(contact: BareJid): readonly string[]
  /** Whether there is a session, live or finished, with any of the contact's addresses but that one. */
  isPrivate(contact: BareJid, besides?: string): boolean
  infos(): readonly SessionInfo[]
  /** Sessions of that address are finished, or of all, at once. */
  lose(address?: string): void
  tick(): Promise<Date | undefined>
  /** Overwrites all there is. */
  clear(): void
}

/** @internal */
export interface Performed extends OtrStep {
  /** The stream has ended meanwhile, and sessions with it: what was read was read, and all else has not happened. */
  readonly isOver: boolean
}

interface Selection {
  readonly address: string
  /** The key that messages are meant for. */
  readonly expected: string
  /** The application has talked to it. */
  readonly isEngaged: boolean
}

/** @internal */
export function createConversations(account: Account): Conversations {
  /** Who was silent for longest comes first. */
  const table = new Map<string, Conversation>()
  const selections = new Map<BareJid, Selection>()
  const turns = new Map<BareJid, Promise<unknown>>()
  /** What has begun in one epoch has no effect in another. */
  let epoch = 0
  let stopTimer = (): void => {}

  function inTurn<T>(contact: BareJid, work: () => Promise<T>): Promise<T> {
    const done = (turns.get(contact) ?? Promise.resolve()).then(work)
    const turn = done.catch(() => {})
    turns.set(contact, turn)
    void turn.then(() => turns.get(contact) === turn && turns.delete(contact))
    return done
  }

  async function perform(
    address: string,
    work: Work,
    { holdsBack = false }: { readonly holdsBack?: boolean } = {},
  ): Promise<Performed> {
    const begun = epoch
    const contact = bare(address)
    const before = table.get(address) ?? (await fresh(contact))
    const result = work(before, meansFor(account, contact))
    const step = 'conversation' in result ? result : await runWithPauses(account, result)
    const noted = await stored(contact, before, step)
    if (begun !== epoch || account.closing.aborted) {
      wipe(step.conversation, undefined)
      return { ...step, send: [], isOver: true }
    }
    keep(address, before, step.conversation)
    const foreign = follow(contact, address, step.events)
    for (const event of noted) account.emit(event)
    if (!holdsBack) await send(address, step.send)
    for (const event of step.events) tell(address, event, foreign)
    schedule()
    return { ...step, isOver: false }
  }

  async function stored(
    contact: BareJid,
    before: Conversation,
    step: OtrStep,
  ): Promise<readonly AccountEvent[]> {
    const news = newsOf(before, step)
    if (news === undefined) return []
    try {
      return (await note(account, contact, news)).events
    } catch (error) {
      wipe(step.conversation, before)
      throw error
    }
  }

  async function fresh(contact: BareJid): Promise<Conversation> {
    const [stored] = await account.store.read([records.contact(contact)])
    return createConversation(account.device.tag, decodeContact(stored?.value))
  }

  async function send(address: string, texts: readonly string[]): Promise<void> {
    for (const text of texts) {
      try {
        await account.connection.send(controlStanza(address, text))
      } catch (error) {
        account.emit({ kind: 'send-failed', jid: address, error })
      }
    }
  }

  function keep(address: string, before: Conversation, after: Conversation): void {
    wipe(before, after)
    table.delete(address)
    if (!isUnused(after)) table.set(address, after)
    if (!isPrivate(after)) release(bare(address))
    const strangers = [...table].filter(([, one]) => !isPrivate(one))
    for (const [excess] of strangers.slice(0, -MAX_STRANGERS)) forget(excess)
    if (table.size <= MAX_PEERS) return
    const talkedTo = new Set([...selections.values()].map((one) => (one.isEngaged ? one.address : undefined)))
    const peers = [...table].filter(([at, one]) => isPrivate(one) && !talkedTo.has(at))
    for (const [excess, one] of peers.slice(0, -MAX_PEERS)) {
      const { events } = lose(one)
      forget(excess)
      for (const event of events) tell(excess, event, new Set())
    }
  }

  /** Not before the last session is gone: another key's would take the place of the one that was ended. */
  function release(contact: BareJid): void {
    if (!selections.has(contact)) return
    if (!isPrivateWith(contact)) selections.delete(contact)
  }

  function isPrivateWith(contact: BareJid, besides?: string): boolean {
    return [...table].some(([at, one]) => at !== besides && isPrivate(one) && bare(at) === contact)
  }

  function forget(address: string): void {
    const before = table.get(address)
    if (before !== undefined) wipe(before, undefined)
    table.delete(address)
    release(bare(address))
  }

  /** @returns fingerprints that are not the one that messages to the contact are meant for */
  function follow(
    contact: BareJid,
    address: string,
    events: readonly ConversationEvent[],
  ): ReadonlySet<string> {
    const foreign = new Set<string>()
    for (const event of events) {
      const used = usedKey(event)
      if (used === undefined) continue
      const { fingerprint, isMessage, keyChanged } = used
      const selection = selections.get(contact)
      if (keyChanged || (selection !== undefined && selection.expected !== fingerprint)) {
        foreign.add(fingerprint)
        continue
      }
      if (selection === undefined || isMessage || !isLive(selection.address))
        selections.set(contact, { address, expected: fingerprint, isEngaged: selection?.isEngaged ?? false })
    }
    return foreign
  }

  function isLive(address: string): boolean {
    const conversation = table.get(address)
    return conversation !== undefined && isEncrypted(conversation)
  }

  function tell(address: string, event: ConversationEvent, foreign: ReadonlySet<string>): void {
    const told = toldOf(address, event, isSelected)
    if (told === undefined) return
    const isForeign =
      told.kind === 'session' && 'fingerprint' in told.session && foreign.has(told.session.fingerprint)
    account.emit(isForeign ? { ...told, keyChanged: true } : told)
  }

  function isSelected(address: string, instance: number): boolean {
    const isHere = selections.get(bare(address))?.address === address
    return isHere && table.get(address)?.active === instance
  }

  function schedule(): void {
    stopTimer()
    stopTimer = () => {}
    const due = nextDue()
    if (due === undefined || account.closing.aborted) return
    // A timer may be early by a fraction of a millisecond: never at once, or it would go round and round.
    const wait = Math.max(1, due - account.clock.now())
    stopTimer = account.clock.after(wait, () => void tickAll().catch(() => {}))
  }

  function nextDue(): number | undefined {
    const times = [...table].flatMap(
      ([address, one]) => nextTick(one, account.policyFor(bare(address))) ?? [],
    )
    return times.length === 0 ? undefined : times.reduce((a, b) => Math.min(a, b))
  }

  async function tickAll(): Promise<void> {
    const now = account.clock.now()
    const due = [...table].filter(([address, one]) => {
      const time = nextTick(one, account.policyFor(bare(address)))
      return time !== undefined && time <= now
    })
    await Promise.all(
      due.map(([address]) =>
        inTurn(bare(address), async () => void (table.has(address) && (await perform(address, tick)))),
      ),
    )
    schedule()
  }

  function loseOne(address: string, before: Conversation): void {
    const step = lose(before)
    keep(address, before, step.conversation)
    for (const event of step.events) tell(address, event, new Set())
  }

  return {
    inTurn,
    perform,
    send,
    get: (address) => table.get(address),
    selected(contact) {
      const address = selections.get(contact)?.address
      return address !== undefined && table.has(address) ? address : undefined
    },
    expected: (contact) => selections.get(contact)?.expected,
    engage(contact) {
      const selection = selections.get(contact)
      if (selection !== undefined) selections.set(contact, { ...selection, isEngaged: true })
    },
    select(contact, address) {
      const expected = table.get(address)?.expected
      if (expected !== undefined) selections.set(contact, { address, expected, isEngaged: true })
    },
    addressesOf: (contact) => [...table.keys()].filter((address) => bare(address) === contact),
    isPrivate: isPrivateWith,
    infos: () =>
      [...table].flatMap(([jid, { instances }]) =>
        instances.flatMap(({ tag: instance, session }) =>
          session.state === 'plaintext'
            ? []
            : [{ jid, instance, session: viewSession(session), selected: isSelected(jid, instance) }],
        ),
      ),
    lose(address) {
      if (address === undefined) {
        epoch++
        for (const [one, before] of [...table]) loseOne(one, before)
        schedule()
        return
      }
      const contact = bare(address)
      // Not while something is done with it.
      void inTurn(contact, async () => {
        const before = table.get(address)
        if (before !== undefined) loseOne(address, before)
      })
    },
    async tick() {
      await tickAll()
      const due = nextDue()
      return due === undefined ? undefined : new Date(due)
    },
    clear() {
      epoch++
      stopTimer()
      for (const address of [...table.keys()]) forget(address)
    },
  }
}

function wipe(before: Conversation, after: Conversation | undefined): void {
  for (const bytes of discarded(before, after ?? createConversation(before.ourTag))) bytes.fill(0)
}

function usedKey(event: ConversationEvent) {
  if (event.type === 'message' && event.encrypted)
    return { fingerprint: event.fingerprint, isMessage: true, keyChanged: false }
  if (event.type !== 'state' || event.to.state !== 'encrypted') return undefined
  return { fingerprint: event.to.fingerprint, isMessage: false, keyChanged: event.keyChanged }
}

/** What of a step is to be stored. */
function newsOf(before: Conversation, { conversation, events }: OtrStep): News | undefined {
  const opened = events.flatMap((event) =>
    event.type === 'state' && event.to.state === 'encrypted' ? [event.to] : [],
  )
  const matched = events.flatMap((event) => {
    // Who was asked a question has proven something to somebody, and learnt nothing about them.
    if (event.type !== 'smp-ended' || event.result !== 'match') return []
    if (event.oneWay && !event.weInitiated) return []
    const sessions = [conversation, before].map(
      ({ instances }) => instances.find(({ tag }) => tag === event.instance)?.session,
    )
    return sessions.flatMap((one) => (one && 'fingerprint' in one ? [one.fingerprint] : [])).slice(0, 1)
  })
  if (opened.length === 0 && matched.length === 0) return undefined
  return {
    met: opened.map(({ fingerprint }) => fingerprint),
    versions: opened.map(({ fingerprint, version }) => ({ fingerprint, version })),
    verdicts: matched.map((fingerprint) => ({ fingerprint, level: 'verified', by: 'smp' }) as const),
  }
}
