/**
 * The façade and Profanity, which speaks version 2, knows contacts by bare JIDs, and sends all that is OTR to them: with
 * several of our clients, each one gets it.
 */
import { type BareJid, bareJid } from '@xmpp-e2e/xml'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeFriends } from '../src/friends.ts'
import { OtrClient, summary } from '../src/otr-live.ts'
import { Profanity } from '../src/profanity.ts'
import { startProsody } from '../src/prosody.ts'
import { ACCOUNTS, type Server } from '../src/server.ts'

let server: Server
beforeAll(async () => {
  server = await startProsody({ accounts: [...ACCOUNTS, 'ivan', 'judy'] })
})
afterAll(async () => {
  await server?.stop()
})

/** Version 2 for the one contact who has nothing else. */
const forContact = (jid: string) => ({
  otrFor: (contact: BareJid) => (contact === jid ? { versions: [2] as const } : undefined),
})

async function pair(one: string, other: string) {
  const [a, p] = [server.account(one), server.account(other)]
  await makeFriends(server, a, p)
  const alice = await OtrClient.open(server, a, forContact(p.jid))
  const profanity = await Profanity.start(server, p, { scheme: 'otr' })
  await profanity.open(a.jid)
  return { alice, profanity, a: a.jid as BareJid, p: bareJid.decode(p.jid) as BareJid }
}

type Pair = Awaited<ReturnType<typeof pair>>

async function finish({ alice, profanity }: Pair): Promise<void> {
  await alice.close()
  await profanity.stop()
}

async function itSays({ alice, profanity, p }: Pair, body: string): Promise<void> {
  await profanity.say(body)
  expect(summary(await alice.next())).toStrictEqual({
    body,
    from: `${p}/profanity`,
    level: expect.stringMatching(/^(blind|verified)$/),
    warnings: [],
    channel: 'live',
  })
}

async function weSay({ alice, profanity, a, p }: Pair, body: string): Promise<void> {
  await alice.send(p, body)
  await profanity.hears(a, body)
}

/** Both see that it begins. */
async function begins({ alice, profanity, p }: Pair, begin: () => Promise<void>): Promise<void> {
  const seen = alice.events.length
  await begin()
  const { session } = await alice.event('session', (event) => event.session.state === 'encrypted', seen)
  expect(session).toMatchObject({ version: 2 })
  expect(alice.otr.sessions(p)).toMatchObject([{ jid: `${p}/profanity`, instance: 0, selected: true }])
  await profanity.sees(/^ .* \[OTR\]/m)
}

test('it starts, we start; messages both ways; either ends, and nothing goes out in the clear', async () => {
  const both = await pair('alice', 'bob')
  const { alice, profanity, p } = both
  try {
    await begins(both, () => profanity.type('/otr start'))
    for (const text of ['one', 'two']) await itSays(both, text)
    for (const text of ['three', 'four']) await weSay(both, text)
    await itSays(both, 'five: ü ☃ 😀 &amp; <b>')
    await weSay(both, 'six: ü ☃ 😀 &amp; <b>')

    const seen = alice.events.length
    await profanity.type('/otr end')
    await alice.event('session', ({ session }) => session.state === 'finished', seen)
    expect(await alice.trySend(p, 'no')).toMatchObject({ kind: 'refused', code: 'finished' })
    await begins(both, () => alice.otr.query(p))
    await weSay(both, 'seven')
    await itSays(both, 'eight')

    await alice.otr.end(p)
    await profanity.sees(/OTR session ended/)
    expect(await alice.trySend(p, 'no')).toMatchObject({ kind: 'refused', code: 'not-encrypted' })
    await begins(both, () => profanity.type('/otr start'))
    await itSays(both, 'nine')
    await weSay(both, 'ten')
    // Again, in the middle of it.
    await begins(both, () => alice.otr.query(p))
    await itSays(both, 'eleven')
    await weSay(both, 'twelve')
  } finally {
    await finish(both)
  }
})

test('comparisons: either asks, with a question and without; secrets that differ; aborted', async () => {
  const both = await pair('carol', 'dave')
  const { alice, profanity, p } = both
  const level = async () => (await alice.otr.keys(p)).map(({ level, by }) => [level, by])
  /** What it sees after what is done, and what we are told. */
  const compared = async (does: () => Promise<unknown>, sees: RegExp) => {
    const seen = alice.events.length
    await profanity.clear()
    await does()
    const ended = alice.event('smp-ended', () => true, seen)
    await profanity.sees(sees)
    const { result, weInitiated, oneWay } = await ended
    return { result, weInitiated, oneWay }
  }
  const asks = async (line: string) => {
    const seen = alice.events.length
    await profanity.type(line)
    return alice.event('smp-asked', () => true, seen)
  }
  try {
    await begins(both, () => alice.otr.query(p))

    const itAsks = await compared(async () => {
      expect(await asks('/otr question "Whose rabbit?" tiger')).toMatchObject({ question: 'Whose rabbit?' })
      await alice.otr.answer(p, 'tiger')
    }, /Authentication successful/)
    expect(itAsks).toStrictEqual({ result: 'match', weInitiated: false, oneWay: true })
    // It has learnt something about us, and not we about it.
    expect(await level()).toStrictEqual([['blind', undefined]])
    await profanity.sees(/^ .* \[OTR\] \[trusted\]/m)

    const itsMismatch = await compared(async () => {
      await asks('/otr secret tiger')
      await alice.otr.answer(p, 'lion')
    }, /Authentication failed/)
    expect(itsMismatch).toStrictEqual({ result: 'mismatch', weInitiated: false, oneWay: false })
    expect(await level()).toStrictEqual([['blind', undefined]])
    await profanity.sees(/^ .* \[OTR\] \[untrusted\]/m)

    const ourMismatch = await compared(async () => {
      await alice.otr.compare(p, 'tiger')
      await profanity.sees(/wants to authenticate your identity/)
      await profanity.type('/otr secret lion')
    }, /Authentication failed/)
    expect(ourMismatch).toStrictEqual({ result: 'mismatch', weInitiated: true, oneWay: false })

    const ours = await compared(async () => {
      await alice.otr.compare(p, 'tiger')
      await profanity.sees(/wants to authenticate your identity/)
      await profanity.type('/otr secret tiger')
    }, /Authentication successful/)
    expect(ours).toStrictEqual({ result: 'match', weInitiated: true, oneWay: false })
    expect(await level()).toStrictEqual([['verified', 'smp']])
    await profanity.sees(/^ .* \[OTR\] \[trusted\]/m)

    const withQuestion = await compared(async () => {
      await alice.otr.compare(p, 'grün ☃', { question: 'Which colour?' })
      await profanity.sees(/Which colour\?/)
      await profanity.type('/otr answer "grün ☃"')
    }, /successfully authenticated you/)
    expect(withQuestion).toStrictEqual({ result: 'match', weInitiated: true, oneWay: true })

    const itAborts = await compared(async () => {
      await asks('/otr secret tiger')
      await alice.otr.abort(p)
    }, /(?:aborted|failed|SMP)/)
    expect(itAborts).toMatchObject({ result: 'aborted', weInitiated: false })
    // And once more, since nothing is left of it.
    const again = await compared(async () => {
      await asks('/otr secret tiger')
      await alice.otr.answer(p, 'tiger')
    }, /Authentication successful/)
    expect(again).toStrictEqual({ result: 'match', weInitiated: false, oneWay: false })
    await itSays(both, 'and so on')
    await weSay(both, 'and on')
  } finally {
    await finish(both)
  }
})

test('we are started again: its messages are unreadable, it is told once, and a query mends it', async () => {
  const both = await pair('erin', 'frank')
  const { alice, profanity, p } = both
  const account = server.account('erin')
  let restarted: OtrClient | undefined
  try {
    await begins(both, () => profanity.type('/otr start'))
    await itSays(both, 'before')
    const { fingerprint } = alice.otr
    // With a stream that ended so that nobody knows: who is seen to go offline has no session with it any more.
    await alice.host.drop()
    restarted = await OtrClient.open(server, account, { ...forContact(p), store: alice.store })
    expect(restarted.otr.fingerprint).toBe(fingerprint)
    const now = { ...both, alice: restarted }
    for (const text of ['lost', 'lost as well']) {
      await profanity.say(text)
      expect(summary(await restarted.next())).toMatchObject({ unreadable: 'session-missing' })
    }
    await profanity.sees(/Received error: An encrypted message could not be read/)
    expect((await profanity.screen()).match(/Received error/g)).toHaveLength(1)
    expect(await restarted.trySend(p, 'no')).toMatchObject({ code: 'not-encrypted' })
    await begins(now, async () => restarted?.otr.query(p))
    await itSays(now, 'after')
    await weSay(now, 'and we')
  } finally {
    await restarted?.close()
    await finish(both)
  }
})

test('with two clients of ours, one has the session, and the other leaves it alone', async () => {
  const both = await pair('ivan', 'judy')
  const { alice, profanity, a, p } = both
  const other = await OtrClient.open(server, server.account('ivan'), forContact(p))
  try {
    await profanity.type('/otr start')
    const isDone = (one: OtrClient) => one.states(p).includes('encrypted')
    const isRefused = (one: OtrClient) =>
      one.events.some((event) => event.kind === 'dropped' && event.why === 'unauthentic')
    await Promise.all([alice, other].map((one) => one.until('an end', () => isDone(one) || isRefused(one))))
    const [winner, loser] = isDone(alice) ? [alice, other] : [other, alice]
    expect([winner.states(p), loser.states(p)]).toStrictEqual([['encrypted'], []])
    // Nothing is due: it begins no key exchange of its own.
    expect(await loser.otr.tick()).toStrictEqual({})
    for (const text of ['one', 'two']) {
      await itSays({ ...both, alice: winner }, text)
      expect(summary(await loser.next())).toMatchObject({ unreadable: 'session-missing' })
    }
    await weSay({ ...both, alice: winner }, 'three')
    expect(await profanity.screen()).not.toMatch(/error/)
    expect(a).toBe(loser.account)
    // The person goes to the other one.
    await begins({ ...both, alice: loser }, () => loser.otr.query(p))
    await itSays({ ...both, alice: loser }, 'four')
    await weSay({ ...both, alice: loser }, 'five')
  } finally {
    await other.close()
    await finish(both)
  }
})

test('it goes away: the session is finished, and nothing goes out until there is another', async () => {
  const both = await pair('grace', 'heidi')
  const { alice, profanity, a, p } = both
  try {
    await begins(both, () => profanity.type('/otr start'))
    await itSays(both, 'before')
    const seen = alice.events.length
    await profanity.quit()
    await alice.event('session', ({ session }) => session.state === 'finished', seen)
    expect(await alice.trySend(p, 'no')).toMatchObject({ code: 'finished' })
    await profanity.start()
    await profanity.open(a)
    await begins(both, () => profanity.type('/otr start'))
    await itSays(both, 'after')
    await weSay(both, 'and we')
  } finally {
    await finish(both)
  }
})
