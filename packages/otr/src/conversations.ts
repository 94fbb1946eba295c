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
import { keyOf, type News, note } from './keyring.ts'
import { excessOf, type Peer, withoutOldest } from './limits.ts'
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

/** What there is to tell of what was stored, and events that are not to be told. */
interface Stored {
  readonly noted: readonly AccountEvent[]
  readonly hidden: ReadonlySet<ConversationEvent>
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
  const table = new Map<string, Peer>()
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
    const before = table.get(address)?.conversation ?? (await fresh(contact))
    const result = work(before, meansFor(account, contact))
    const step = 'conversation' in result ? result : await runWithPauses(account, result)
    const { noted, hidden } = await stored(contact, before, step)
    if (begun !== epoch || account.closing.aborted) {
      wipe(step.conversation, undefined)
      return { ...step, send: [], isOver: true }
    }
    keep(address, before, step.conversation)
    follow(contact, address, step.events)
    for (const event of noted) account.emit(event)
    if (!holdsBack) await send(address, step.send)
    for (const event of step.events) if (!hidden.has(event)) tell(address, event)
    schedule()
    return { ...step, isOver: false }
  }

  async function stored(contact: BareJid, before: Conversation, step: OtrStep): Promise<Stored> {
    try {
      const news = newsOf(step)
      const noted = news === undefined ? [] : (await note(account, contact, news)).events
      return { noted, hidden: await hiddenOf(contact, step) }
    } catch (error) {
      wipe(step.conversation, before)
      throw error
    }
  }

  /** What somebody has begun whose messages are not shown either. */
  async function hiddenOf(contact: BareJid, { events }: OtrStep): Promise<ReadonlySet<ConversationEvent>> {
    const hidden = new Set<ConversationEvent>()
    for (const event of events) {
      const isTheirs = event.type === 'smp-asked' || ('weInitiated' in event && !event.weInitiated)
      if (!isTheirs || !('fingerprint' in event)) continue
      const { level } = await keyOf(account, contact, event.fingerprint)
      if (!account.policy.mayShow(level)) hidden.add(event)
    }
    return hidden
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
    const contact = bare(address)
    if (!isUnused(after)) put(address, contact, after)
    if (!isPrivate(after)) release(contact)
    if (after.assemblies.length > 0)
      for (const [at, conversation] of withoutOldest(table)) put(at, bare(at), conversation)
    const isTalkedTo = (at: string, to: BareJid) => {
      const selection = selections.get(to)
      return selection?.address === at && selection.isEngaged
    }
    const { forgotten, lost } = excessOf(table, isTalkedTo)
    for (const at of forgotten) {
      const excess = table.get(at)
      forget(at)
      for (const event of excess === undefined ? [] : lose(excess.conversation).events) tell(at, event)
    }
    for (const [at, { conversation }] of lost) loseOne(at, conversation)
  }

  /** Where it stands already, or at the end. */
  function put(address: string, contact: BareJid, conversation: Conversation): void {
    table.set(address, { contact, conversation, due: nextTick(conversation, account.policyFor(contact)) })
  }

  /** Not before the last session is gone: another key's would take the place of the one that was ended. */
  function release(contact: BareJid): void {
    if (!selections.has(contact)) return
    if (!isPrivateWith(contact)) selections.delete(contact)
  }

  function isPrivateWith(contact: BareJid, besides?: string): boolean {
    for (const [at, one] of table)
      if (one.contact === contact && at !== besides && isPrivate(one.conversation)) return true
    return false
  }

  function forget(address: string): void {
    const before = table.get(address)
    if (before !== undefined) wipe(before.conversation, undefined)
    table.delete(address)
    release(bare(address))
  }

  function follow(contact: BareJid, address: string, events: readonly ConversationEvent[]): void {
    for (const event of events) {
      const used = usedKey(event)
      if (used === undefined) continue
      const { fingerprint, isMessage, keyChanged } = used
      const selection = selections.get(contact)
      if (keyChanged || (selection !== undefined && selection.expected !== fingerprint)) continue
      if (selection === undefined || isMessage || !isLive(selection.address))
        selections.set(contact, { address, expected: fingerprint, isEngaged: selection?.isEngaged ?? false })
    }
  }

  function isLive(address: string): boolean {
    const peer = table.get(address)
    return peer !== undefined && isEncrypted(peer.conversation)
  }

  function tell(address: string, event: ConversationEvent): void {
    const told = toldOf(address, event, { isSelected, isForeign })
    if (told !== undefined) account.emit(told)
  }

  function isForeign(address: string, fingerprint: string): boolean {
    const selection = selections.get(bare(address))
    return selection !== undefined && selection.expected !== fingerprint
  }

  function isSelected(address: string, instance: number): boolean {
    const isHere = selections.get(bare(address))?.address === address
    return isHere && table.get(address)?.conversation.active === instance
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
    let first: number | undefined
    for (const { due } of table.values()) if (due !== undefined && !(due >= (first ?? due + 1))) first = due
    return first
  }

  async function tickAll(): Promise<void> {
    const now = account.clock.now()
    const all = [...table].filter(([, { due }]) => due !== undefined && due <= now)
    await Promise.all(
      all.map(([address, { contact }]) =>
        inTurn(contact, async () => void (table.has(address) && (await perform(address, tick)))),
      ),
    )
    schedule()
  }

  function loseOne(address: string, before: Conversation): void {
    const step = lose(before)
    keep(address, before, step.conversation)
    for (const event of step.events) tell(address, event)
  }

  return {
    inTurn,
    perform,
    send,
    get: (address) => table.get(address)?.conversation,
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
      const expected = table.get(address)?.conversation.expected
      if (expected !== undefined) selections.set(contact, { address, expected, isEngaged: true })
    },
    addressesOf: (contact) =>
      [...table].flatMap(([address, one]) => (one.contact === contact ? [address] : [])),
    isPrivate: isPrivateWith,
    infos: () =>
      [...table].flatMap(([jid, { conversation }]) =>
        conversation.instances.flatMap(({ tag: instance, session }) =>
          session.state === 'plaintext'
            ? []
            : [{ jid, instance, session: viewSession(session), selected: isSelected(jid, instance) }],
        ),
      ),
    lose(address) {
      if (address === undefined) {
        epoch++
        for (const [one, { conversation }] of [...table]) loseOne(one, conversation)
        schedule()
        return
      }
      const contact = bare(address)
      // Not while something is done with it.
      void inTurn(contact, async () => {
        const before = table.get(address)
        if (before !== undefined) loseOne(address, before.conversation)
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
function newsOf({ events }: OtrStep): News | undefined {
  const opened = events.flatMap((event) =>
    event.type === 'state' && event.to.state === 'encrypted' ? [event.to] : [],
  )
  const matched = events.flatMap((event) => {
    // Who was asked a question has proven something to somebody, and learnt nothing about them.
    if (event.type !== 'smp-ended' || event.result !== 'match') return []
    if (event.oneWay && !event.weInitiated) return []
    return [event.fingerprint]
  })
  if (opened.length === 0 && matched.length === 0) return undefined
  return {
    met: opened.map(({ fingerprint }) => fingerprint),
    versions: opened.map(({ fingerprint, version }) => ({ fingerprint, version })),
    verdicts: matched.map((fingerprint) => ({ fingerprint, level: 'verified', by: 'smp' }) as const),
  }
}
