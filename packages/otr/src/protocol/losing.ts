/** What becomes of a conversation whose stream has ended, on this side or the other. */
import {
  type Conversation,
  createConversation,
  instanceOf,
  type OtrStep,
  stateEvents,
} from './conversation.ts'
import { abandoned } from './session.ts'

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
  const events = lost.flatMap(({ tag, session }) => {
    const ended = instanceOf(before, tag).session
    const told = abandoned(ended).map((event) => ({ ...event, instance: tag }))
    return [...told, ...stateEvents(tag, ended, session)]
  })
  return {
    conversation: { ...createConversation(ourTag, highest), instances: lost, active, expected },
    send: [],
    events,
  }
}
