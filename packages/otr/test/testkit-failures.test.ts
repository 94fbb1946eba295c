/** Connections and stores that fail at each point, and calls that cross: nothing that was there before is lost. */
import { child, type Element, element, receive, text } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { chat } from './facade.ts'
import {
  areTogether,
  compare,
  failingStore,
  type Person,
  person,
  say,
  smpResults,
  untilRetried,
  verona,
} from './testkit-scene.ts'

const isQuery = (stanza: Element): boolean => bodyOf(stanza).startsWith('?OTRv')
const bodyOf = (stanza: Element): string => {
  const body = child(stanza, 'body')
  return body === undefined ? '' : text(body)
}
const sendFailures = ({ events }: Person) => events.filter(({ kind }) => kind === 'send-failed').length

/** A key exchange, a message each way and a comparison, as two hosts do it that go on when something fails. */
async function story(service: ReturnType<typeof verona>, romeo: Person, juliet: Person): Promise<void> {
  await romeo.otr.query(juliet.account)
  await untilRetried(service)
  if (!romeo.isEncrypted()) {
    // The query was lost: the user asks again.
    await romeo.otr.query(juliet.account)
    await untilRetried(service)
  }
  const told = async (from: Person, to: Person, words: string) => {
    try {
      await say(from, to, words)
    } catch {
      await say(from, to, words)
    }
    await service.settle()
  }
  await told(romeo, juliet, 'one')
  await told(juliet, romeo, 'two')
  for (let tries = 0; tries < 3 && smpResults(romeo).at(-1) !== 'match'; tries++) {
    if (tries > 0) await romeo.otr.abort(juliet.account)
    await service.settle()
    await compare(service, romeo, juliet)
  }
}

async function ends(service: ReturnType<typeof verona>, romeo: Person, juliet: Person): Promise<void> {
  expect(juliet.read()).toStrictEqual(['one'])
  expect(romeo.read()).toStrictEqual(['two'])
  expect(smpResults(romeo).at(-1)).toBe('match')
  expect(await romeo.otr.keys(juliet.account)).toMatchObject([{ level: 'verified', by: 'smp' }])
  expect(await areTogether(service, romeo, juliet)).toBe(true)
}

describe.each([2, 3] as const)('version %s', (version) => {
  const otr = { versions: [version] }

  test.each(['romeo', 'juliet'])(
    '`send` of %s rejects at each point: it is told, and a retry mends it',
    async (who) => {
      for (let at = 1, isOver = false; !isOver; at++) {
        const service = verona(at)
        let sent = 0
        let isArmed = true
        const fails = {
          onSend(stanza: Element) {
            if (!isArmed || stanza.name !== 'message') return
            if (++sent === at) throw new Error('no route')
          },
        }
        const romeo = await person(service, 'romeo', { otr, ...(who === 'romeo' && fails) })
        const juliet = await person(service, 'juliet', { otr, ...(who === 'juliet' && fails) })
        await story(service, romeo, juliet)
        isArmed = false
        await ends(service, romeo, juliet)
        isOver = sent < at
        // What the user sends is rejected, and all else is told: a query, two steps, a text, and two of a comparison.
        const isUsers = at === (who === 'romeo' ? 4 : 3)
        expect(sendFailures(who === 'romeo' ? romeo : juliet), `${at}`).toBe(isOver || isUsers ? 0 : 1)
        if (isOver) expect(at).toBe(who === 'romeo' ? 7 : 6)
      }
    },
  )

  test.each([
    ['romeo', 'before'],
    ['romeo', 'after'],
    ['juliet', 'before'],
    ['juliet', 'after'],
  ] as const)('the store of %s rejects %s each commit: the same message opens again', async (who, when) => {
    for (let at = 1, isOver = false; !isOver; at++) {
      const { service, romeo, juliet, disk } = await withDisk(at, who, when === 'after', (again) => again())
      await story(service, romeo, juliet)
      isOver = disk.failures === 0
      await ends(service, romeo, juliet)
      expect([...romeo.failures, ...juliet.failures]).toStrictEqual([])
      // Nobody has had to do anything twice.
      expect(smpResults(romeo)).toStrictEqual(['match'])
      if (isOver) expect(at).toBe(3)
    }
  })

  test.each(['romeo', 'juliet'])(
    'where the host of %s lets go of what is not stored, a retry mends it',
    async (who) => {
      for (let at = 1, isOver = false; !isOver; at++) {
        const { service, romeo, juliet, disk } = await withDisk(at, who, false)
        await story(service, romeo, juliet)
        isOver = disk.failures === 0
        await ends(service, romeo, juliet)
        expect([...romeo.failures, ...juliet.failures]).toHaveLength(isOver ? 0 : 1)
        if (isOver) expect(at).toBe(3)
      }
    },
  )

  /** From commit number `at` on the disk of one is full, until its host hears of it. */
  async function withDisk(
    at: number,
    who: string,
    isWritten: boolean,
    retry: <T>(again: () => Promise<T>) => Promise<T> = () => Promise.reject(new Error('let go')),
  ) {
    const service = verona(at)
    const disk = { failures: 0, commits: 0, isFull: false }
    const store = failingStore(async (commit) => {
      // The first is the key.
      if (disk.commits++ === at) disk.isFull = true
      if (!disk.isFull) return commit()
      if (isWritten) await commit()
      throw new Error('disk full')
    })
    const fails = {
      store,
      onFailure<T>(again: () => Promise<T>) {
        disk.failures++
        disk.isFull = false
        return retry(again)
      },
    }
    const romeo = await person(service, 'romeo', { otr, ...(who === 'romeo' && fails) })
    const juliet = await person(service, 'juliet', { otr, ...(who === 'juliet' && fails) })
    return { service, romeo, juliet, disk }
  }

  test('a thousand messages before there is a session: one query, none of them goes out, and then all', async () => {
    const service = verona(1)
    const sent: Element[] = []
    const onSend = (stanza: Element) => void sent.push(stanza)
    const romeo = await person(service, 'romeo', { otr: { ...otr, requireEncryption: true }, onSend })
    const juliet = await person(service, 'juliet', { otr })
    const words = Array.from({ length: 1000 }, (_, i) => `${i}`)
    const all = () => Promise.all(words.map((one) => say(romeo, juliet, one)))
    expect(new Set((await all()).map((one) => one.kind === 'refused' && one.code))).toStrictEqual(
      new Set(['not-encrypted']),
    )
    expect(sent.map(isQuery)).toStrictEqual([true])
    await untilRetried(service)
    expect((await all()).every(({ kind }) => kind === 'encrypted')).toBe(true)
    await service.settle()
    expect(juliet.read()).toStrictEqual(words)
    expect(sent.filter(isQuery)).toHaveLength(1)
  })

  test('what is decrypted at once stays in order, with a comparison in between', async () => {
    const service = verona(2)
    const romeo = await person(service, 'romeo', { otr })
    const juliet = await person(service, 'juliet', { otr })
    await romeo.otr.query(juliet.account)
    await service.settle()
    // They arrive without a pause, and each waits for those before it.
    const words = Array.from({ length: 10 }, (_, i) => `${i}`)
    const begun = words.map((one, i) =>
      i === 5
        ? romeo.otr.compare(juliet.account, 'tiger').then(() => say(romeo, juliet, one))
        : say(romeo, juliet, one),
    )
    await Promise.all(begun)
    const back = words.map((one) => say(juliet, romeo, one))
    await Promise.all(back)
    await service.settle()
    expect([...juliet.read()].sort()).toStrictEqual(words)
    expect(romeo.read()).toStrictEqual(words)
    expect(juliet.events.filter(({ kind }) => kind === 'smp-asked')).toHaveLength(1)
    expect([...romeo.events, ...juliet.events].filter(({ kind }) => kind === 'dropped')).toStrictEqual([])
  })

  test('`decrypt` while it is closed: nothing is thrown but what says so, and nothing is left', async () => {
    const service = verona(3)
    const romeo = await person(service, 'romeo', { otr })
    const juliet = await person(service, 'juliet', { otr })
    await romeo.otr.query(juliet.account)
    await service.settle()
    const stanzas: Element[] = []
    for (const words of ['one', 'two', 'three']) {
      const out = await romeo.otr.encrypt(chat(juliet.account, words), [juliet.account])
      if (out.kind !== 'encrypted') throw new Error(out.code)
      stanzas.push(...out.stanzas)
    }
    const opening = stanzas.map((stanza) => juliet.otr.decrypt(received(stanza, romeo, juliet)))
    const closing = juliet.otr.close()
    const outcomes = await Promise.all(opening)
    await closing
    // They began before.
    expect(outcomes.map(({ kind }) => kind)).toStrictEqual(['message', 'message', 'message'])
    expect(juliet.otr.sessions()).toStrictEqual([])
    const [again] = stanzas
    await expect(juliet.otr.decrypt(received(again as Element, romeo, juliet))).rejects.toThrow('closed')
    await service.settle()
    expect(romeo.otr.sessions()).toMatchObject([{ session: { state: 'finished' } }])
    const before = service.transcript.length
    await service.advance(600_000)
    expect(service.transcript).toHaveLength(before)
  })

  test('what comes after the stream has ended, and while it is closed without one, ends quietly', async () => {
    const service = verona(4)
    const romeo = await person(service, 'romeo', { otr })
    const juliet = await person(service, 'juliet', { otr })
    await romeo.otr.query(juliet.account)
    await service.settle()
    const out = await romeo.otr.encrypt(chat(juliet.account, 'late'), [juliet.account])
    if (out.kind !== 'encrypted') throw new Error(out.code)
    const opening = juliet.otr.decrypt(received(out.stanzas[0], romeo, juliet))
    juliet.client.lose()
    const closing = juliet.otr.close()
    expect(await opening).toMatchObject({ kind: 'message' })
    await closing
    expect(juliet.otr.sessions()).toStrictEqual([])
    expect(juliet.failures).toStrictEqual([])
  })
})

/** As it comes in. */
function received({ ns, name, attrs, children }: Element, from: Person, to: Person) {
  const stamped = element(ns, name, { ...attrs, from: from.jid, to: to.jid }, children)
  const found = receive(stamped, { account: to.account })
  if (found.kind !== 'message') throw new Error(found.kind)
  return found
}
