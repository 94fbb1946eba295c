/** What becomes of a conversation whose stream has ended, on this side or the other. */
import { type Conversation, createConversation, type OtrStep } from './conversation.ts'
import { abandoned, viewSession } from './session.ts'

/**
 * What the end of the stream does (XEP-0364 §5.2). Sessions are finished as if the peer had ended them, so that nothing
 * goes out in the clear that was typed meanwhile; key exchanges and pieces of messages are forgotten.
 */
export function lose(before: Conversation): OtrStep {
  const { ourTag, highest, active, expected } = before
  const lost = before.instances.flatMap(({ tag, session }) => {
    if (session.state === 'plaintext') return []
    const finished = { state: 'finished', fingerprint: session.fingerprint } as const
    return [{ tag, ake: { state: 'none' }, retry: undefined, session: finished } as const]
  })
  const events = before.instances.flatMap(({ tag, session }) => {
    const from = viewSession(session)
    if (from.state !== 'encrypted') return []
    const to = { state: 'finished', fingerprint: from.fingerprint } as const
    const change = { type: 'state', instance: tag, from, to, keyChanged: false, downgrade: false } as const
    return [...abandoned(session).map((event) => ({ ...event, instance: tag })), change]
  })
  return {
    conversation: { ...createConversation(ourTag, highest), instances: lost, active, expected },
    send: [],
    events,
  }
}

/** @internal Whether it is as good as one that was just made. */
export function isUnused(conversation: Conversation): boolean {
  const { instances, broadcast, assemblies, queriedAt, errorsAt, saidUnready, tagSent } = conversation
  const isEmpty = instances.length === 0 && assemblies.length === 0 && errorsAt.length === 0
  return isEmpty && broadcast === undefined && queriedAt === undefined && !saidUnready && !tagSent
}
