/** The façade from its opening to its end: listening, catching up, closing, erasing, several accounts in one store. */
import { type Clock, memoryStore, type Store } from '@xmpp-e2e/store'
import { blindTrustBeforeVerification } from '@xmpp-e2e/trust'
import { bareJid } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { ARCHIVE_PAGE, type Arrived, Omemo } from '../src/index.ts'
import { bodyOf, chat, type TestDevice, world } from './world.ts'

const AXOLOTL_LIST = 'eu.siacs.conversations.axolotl.devicelist'
const AXOLOTL_BUNDLES = 'eu.siacs.conversations.axolotl.bundles'

const wordsOf = (arrived: Arrived): string | undefined =>
  arrived.kind === 'message' ? bodyOf(arrived.content) : arrived.code

/** What a listener hears, in order. */
function hearing(omemo: Omemo): { readonly words: (string | undefined)[]; stop(): void } {
  const words: (string | undefined)[] = []
  return { words, stop: omemo.listen((arrived) => void words.push(wordsOf(arrived))) }
}

/** The keys of everything that a store holds. */
async function contents(store: Store): Promise<readonly string[]> {
  return (await store.list('')).entries.map(([key]) => key).sort()
}

/** The device again, in another process. */
function reopened({ account, client, store }: TestDevice, clock: Clock): Promise<Omemo> {
  const { connection } = client
  return Omemo.open({ account, connection, store, clock, policy: blindTrustBeforeVerification })
}

describe('opening', () => {
  test('is the same device each time, and never touches the network', async () => {
    const { service, device } = world()
    const one = await device('juliet', { isStarted: false })
    await service.settle()
    const before = service.transcript.length
    const again = await reopened(one, service.clock)
    expect([again.deviceId, again.fingerprint]).toEqual([one.omemo.deviceId, one.omemo.fingerprint])
    await service.settle()
    expect(service.transcript).toHaveLength(before)
  })

  test('twice at once on a new store is one device', async () => {
    const { service } = world()
    const account = service.account('juliet')
    const { connection } = service.connect('juliet', { resource: 'tab' })
    const options = {
      account,
      connection,
      store: memoryStore(),
      clock: service.clock,
      policy: blindTrustBeforeVerification,
    }
    const [one, other] = await Promise.all([Omemo.open(options), Omemo.open(options)])
    expect(one.deviceId).toBe(other.deviceId)
    expect(one.fingerprint).toBe(other.fingerprint)
  })

  test.each([
    ['an account that is none', { account: bareJid.decode('a@b')?.concat('/c') }],
    ['no policy', { policy: undefined }],
  ])('refuses %s', async (_, wrong) => {
    const { service } = world()
    const { connection } = service.connect('juliet', { resource: 'tab' })
    const options = {
      account: service.account('juliet'),
      connection,
      store: memoryStore(),
      clock: service.clock,
    }
    const given: object = { ...options, policy: blindTrustBeforeVerification, ...wrong }
    await expect(Reflect.apply(Omemo.open, Omemo, [given])).rejects.toThrow(TypeError)
  })

  test('of several accounts in one store: neither knows of the other', async () => {
    const { service, device } = world()
    const store = memoryStore()
    const juliet = await device('juliet', { store })
    const romeo = await device('romeo', { store })
    expect(juliet.omemo.deviceId).not.toBe(romeo.omemo.deviceId)
    const heard = hearing(juliet.omemo)
    await service.finish(romeo.omemo.send(chat(juliet.account, 'hello'), [juliet.account]))
    await service.settle()
    expect(heard.words).toEqual(['hello'])
    await service.finish(romeo.omemo.erase({ server: true }))
    expect((await contents(store)).every((key) => key.includes(juliet.account))).toBe(true)
    await service.finish(juliet.omemo.erase({ server: false }))
    expect(await contents(store)).toEqual([])
  })
})

test('to whom is an array: one address is a mistake that says so', async () => {
  const { service, device } = world()
  const juliet = await device('juliet', { isStarted: false })
  const to = service.account('romeo')
  const sending: unknown = Reflect.apply(juliet.omemo.send, juliet.omemo, [chat(to, 'hello'), to])
  await expect(sending).rejects.toThrow(new TypeError('to: expected an array of bare JIDs'))
})

describe('starting', () => {
  test('waits for a session', async () => {
    const { service, device } = world()
    const juliet = await device('juliet', { isStarted: false })
    juliet.client.close()
    let isStarted = false
    const starting = juliet.omemo.start().then(() => {
      isStarted = true
    })
    await service.settle()
    expect(isStarted).toBe(false)
    juliet.client.reconnect()
    await service.finish(starting)
    expect(
      (await service.finish(juliet.omemo.diagnose(juliet.account))).findings.filter(
        ({ severity }) => severity === 'error',
      ),
    ).toEqual([])
  })

  test('ends when it is aborted, or closed', async () => {
    const { service, device } = world()
    const juliet = await device('juliet', { isStarted: false })
    juliet.client.close()
    const abort = new AbortController()
    const starting = juliet.omemo.start({ signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(starting).rejects.toThrow('enough')
    const waiting = juliet.omemo.start()
    await juliet.omemo.close()
    await expect(waiting).rejects.toThrow('closed')
    await expect(juliet.omemo.start()).rejects.toThrow(TypeError)
    await service.settle()
  })
})

describe('listening', () => {
  test('gives messages one after another, in order', async () => {
    const { service, device } = world()
    const [juliet, romeo] = [await device('juliet'), await device('romeo')]
    const order: string[] = []
    juliet.omemo.listen(async (arrived) => {
      order.push(`begins ${wordsOf(arrived)}`)
      for (let i = 0; i < 10; i++) await Promise.resolve()
      order.push(`ends ${wordsOf(arrived)}`)
    })
    for (const words of ['one', 'two', 'three'])
      await service.finish(romeo.omemo.send(chat(juliet.account, words), [juliet.account]))
    await service.settle()
    expect(order).toEqual(['one', 'two', 'three'].flatMap((words) => [`begins ${words}`, `ends ${words}`]))
  })

  test('gives again, first of all, what was not dealt with before a crash', async () => {
    const { service, device } = world()
    const [juliet, romeo] = [await device('juliet'), await device('romeo')]
    juliet.omemo.listen(() => new Promise(() => {})) // it is killed while it saves
    await service.finish(romeo.omemo.send(chat(juliet.account, 'remember'), [juliet.account]))
    await service.settle()

    const again = await reopened(juliet, service.clock)
    const heard = hearing(again)
    await service.finish(romeo.omemo.send(chat(juliet.account, 'later'), [juliet.account]))
    await service.settle()
    expect(heard.words).toEqual(['remember', 'later'])
    heard.stop()
    const third = hearing(await reopened(juliet, service.clock))
    await service.settle()
    expect(third.words).toEqual([])
  })

  test('goes on after a handler that fails, which ends no process; the message is given again', async () => {
    const { service, device } = world()
    const [juliet, romeo] = [await device('juliet'), await device('romeo')]
    const unhandled: unknown[] = []
    const note = (error: unknown) => unhandled.push(error)
    process.on('unhandledRejection', note)
    const words: (string | undefined)[] = []
    const stop = juliet.omemo.listen((arrived) => {
      words.push(wordsOf(arrived))
      if (words.length === 1) throw new Error('disk full')
    })
    for (const said of ['one', 'two'])
      await service.finish(romeo.omemo.send(chat(juliet.account, said), [juliet.account]))
    await service.settle()
    await new Promise(setImmediate)
    process.off('unhandledRejection', note)
    expect(words).toEqual(['one', 'two'])
    expect(unhandled).toEqual([])
    const [left] = await juliet.omemo.unsettled()
    expect(juliet.events.filter(({ kind }) => kind === 'listener-failed')).toEqual([
      { kind: 'listener-failed', ref: left?.ref, error: new Error('disk full') },
    ])
    stop()
    const heard = hearing(juliet.omemo)
    await service.settle()
    expect(heard.words).toEqual(['one'])
    expect(await juliet.omemo.unsettled()).toEqual([])
  })

  describe('that fails is given the message again, in order and before newer ones', () => {
    /** Three messages came, and a listener could deal with none of them. */
    async function threeFailed() {
      const { service, device } = world()
      const [juliet, romeo] = [await device('juliet'), await device('romeo')]
      const words: (string | undefined)[] = []
      const failing = { isOn: true }
      const running = { now: 0, most: 0 }
      juliet.omemo.listen(async (arrived) => {
        running.most = Math.max(running.most, ++running.now)
        words.push(wordsOf(arrived))
        await Promise.resolve()
        running.now--
        if (failing.isOn) throw new Error('lost')
      })
      const say = async (said: string) => {
        await service.finish(romeo.omemo.send(chat(juliet.account, said), [juliet.account]))
        await service.settle()
      }
      for (const said of ['one', 'two', 'three']) await say(said)
      expect(words.splice(0)).toEqual(['one', 'two', 'three'])
      return { service, juliet, words, failing, running, say }
    }

    test.each(['new', 'resumed'])('in the next session, which is %s', async (state) => {
      const { service, juliet, words, failing, running } = await threeFailed()
      failing.isOn = false
      if (state === 'new') juliet.client.close()
      else juliet.client.disconnect()
      await service.settle()
      expect(words).toEqual([])
      if (state === 'new') juliet.client.reconnect()
      else juliet.client.resume()
      await service.settle()
      expect(words).toEqual(['one', 'two', 'three'])
      expect(running.most).toBe(1)
      expect(await juliet.omemo.unsettled()).toEqual([])
    })

    test('at `tick`, however often, once each time', async () => {
      const { service, juliet, words, failing, running, say } = await threeFailed()
      await service.finish(Promise.all([juliet.omemo.tick(), juliet.omemo.tick()]))
      await service.settle()
      expect(words.splice(0)).toEqual(['one', 'two', 'three'])
      failing.isOn = false
      const ticked = juliet.omemo.tick()
      await say('four')
      await service.finish(ticked)
      expect(words.splice(0)).toEqual(['one', 'two', 'three', 'four'])
      await service.finish(juliet.omemo.tick())
      await service.settle()
      expect(words).toEqual([])
      expect(running.most).toBe(1)
    })

    test('to another listener, and no longer to the one that had failed', async () => {
      const { service, juliet, words } = await threeFailed()
      const heard = hearing(juliet.omemo)
      await service.settle()
      expect(heard.words).toEqual(['one', 'two', 'three'])
      await service.finish(juliet.omemo.tick())
      await service.settle()
      expect(words).toEqual([])
    })

    test('not in a loop, where the function itself calls `tick`', async () => {
      const { service, device } = world()
      const [juliet, romeo] = [await device('juliet'), await device('romeo')]
      let given = 0
      juliet.omemo.listen(async () => {
        given++
        await juliet.omemo.tick()
        throw new Error('never')
      })
      await service.finish(romeo.omemo.send(chat(juliet.account, 'hello'), [juliet.account]))
      await service.settle()
      expect(given).toBe(1)
    })
  })

  test('gives what a distrusted key has written when it was decided about', async () => {
    const { service, device } = world()
    const [juliet, romeo] = [await device('juliet'), await device('romeo')]
    const heard = hearing(juliet.omemo)
    const say = async (said: string) => {
      await service.finish(romeo.omemo.send(chat(juliet.account, said), [juliet.account]))
      await service.settle()
    }
    await say('one')
    const [key] = await juliet.omemo.keys(romeo.account)
    if (key === undefined) throw new Error('no key')
    await juliet.omemo.decide(key, 'distrusted', 'choice')
    for (const said of ['two', 'three']) await say(said)
    expect(heard.words.splice(0)).toEqual(['one', 'key-distrusted', 'key-distrusted'])
    await juliet.omemo.decide(key, 'verified', 'compare')
    await service.settle()
    expect(heard.words.splice(0)).toEqual(['two', 'three'])
    await juliet.omemo.decide(key, 'blind', 'choice')
    await service.settle()
    expect(heard.words).toEqual([])
  })

  test('ends when it is told to, and when the façade is closed', async () => {
    const { service, device } = world()
    const [juliet, romeo] = [await device('juliet'), await device('romeo')]
    const [one, other] = [hearing(juliet.omemo), hearing(juliet.omemo)]
    one.stop()
    await service.finish(romeo.omemo.send(chat(juliet.account, 'hello'), [juliet.account]))
    await service.settle()
    expect([one.words, other.words]).toEqual([[], ['hello']])
    await juliet.omemo.close()
    await service.finish(romeo.omemo.send(chat(juliet.account, 'gone?'), [juliet.account]))
    await service.settle()
    expect(other.words).toEqual(['hello'])
    expect(() => juliet.omemo.listen(() => {})).toThrow(TypeError)
  })
})

describe('catching up', () => {
  test('the first time, reads nothing; then everything since, in pages, once', async () => {
    // A page is dealt with in more turns than testkit waits for by itself.
    const { service, device } = world({ idle: () => new Promise((done) => setImmediate(done)) })
    service.subscribeBoth('juliet', 'romeo')
    const [juliet, romeo] = [await device('juliet'), await device('romeo')]
    const heard = hearing(juliet.omemo)
    await service.finish(romeo.omemo.send(chat(juliet.account, 'live'), [juliet.account]))
    await service.settle()
    await service.finish(juliet.omemo.catchUp())
    expect(heard.words).toEqual(['live'])

    juliet.client.close()
    const missed = Array.from({ length: 2 * ARCHIVE_PAGE + 1 }, (_, i) => `missed ${i}`)
    for (const words of missed)
      await service.finish(romeo.omemo.send(chat(juliet.account, words), [juliet.account]))
    await service.settle()
    juliet.client.reconnect()
    await service.finish(juliet.omemo.catchUp())
    await service.settle()
    expect(heard.words).toEqual(['live', ...missed])
    expect(juliet.events.filter(({ kind }) => kind === 'caught-up')).toHaveLength(2)

    // Again, by another process: everything is known.
    heard.stop()
    const again = await reopened(juliet, service.clock)
    const heardAgain = hearing(again)
    await service.finish(again.catchUp())
    expect(heardAgain.words).toEqual([])
  })

  test('of an archive that was empty, from then on', async () => {
    const { service, device } = world()
    const [juliet, romeo] = [await device('juliet'), await device('romeo')]
    const heard = hearing(juliet.omemo)
    await service.finish(juliet.omemo.catchUp())
    juliet.client.close()
    await service.finish(romeo.omemo.send(chat(juliet.account, 'missed'), [juliet.account]))
    await service.settle()
    juliet.client.reconnect()
    await service.finish(juliet.omemo.catchUp())
    expect(heard.words).toEqual(['missed'])
  })

  test('that fails leaves catch-up open, and loses nothing', async () => {
    const { service, device } = world()
    const [juliet, romeo] = [await device('juliet'), await device('romeo')]
    const heard = hearing(juliet.omemo)
    await service.finish(juliet.omemo.catchUp())
    juliet.client.close()
    for (const words of ['one', 'two'])
      await service.finish(romeo.omemo.send(chat(juliet.account, words), [juliet.account]))
    await service.settle()
    juliet.client.reconnect()
    const stop = service.fault({
      fault: { kind: 'error', condition: 'internal-server-error' },
      client: juliet.client.jid,
      direction: 'sent',
      match: (stanza) => stanza.children.some((el) => typeof el !== 'string' && el.ns === 'urn:xmpp:mam:2'),
    })
    await expect(service.finish(juliet.omemo.catchUp())).rejects.toMatchObject({
      condition: 'internal-server-error',
    })
    stop()
    await service.finish(juliet.omemo.catchUp())
    expect(heard.words).toEqual(['one', 'two'])
  })
})

describe('ending', () => {
  test('with the server takes the device off the lists, and leaves those of others', async () => {
    const { service, device } = world()
    const [phone, laptop, romeo] = [await device('juliet'), await device('juliet'), await device('romeo')]
    expect(await service.finish(laptop.omemo.erase({ server: true }))).toEqual({ unlisted: true })
    expect(await contents(laptop.store)).toEqual([])
    const devices = await service.finish(romeo.omemo.devices(phone.account, { refresh: true }))
    expect(devices.filter(({ listed }) => listed.length > 0).map(({ device: { id } }) => id)).toEqual([
      phone.omemo.deviceId,
    ])
  })

  test('forgets everything where there is no network either', async () => {
    const { service, device } = world()
    const juliet = await device('juliet')
    juliet.client.close()
    expect(await service.finish(juliet.omemo.erase({ server: true }))).toEqual({ unlisted: false })
    expect(await contents(juliet.store)).toEqual([])
  })

  test.each([
    ['a list stays as it is', AXOLOTL_LIST, { unlisted: false }],
    ['only a bundle stays', AXOLOTL_BUNDLES, { unlisted: true }],
  ])('tells whether the server has taken it off the lists: %s', async (_, node, outcome) => {
    const { service, device } = world()
    const juliet = await device('juliet')
    service.fault({
      fault: { kind: 'error', condition: 'internal-server-error' },
      client: juliet.client.jid,
      direction: 'sent',
      match: (stanza) => stanza.attrs.type === 'set' && JSON.stringify(stanza).includes(node),
    })
    expect(await service.finish(juliet.omemo.erase({ server: true }))).toEqual(outcome)
    expect(await contents(juliet.store)).toEqual([])
  })

  test('in one tab: the others say `device-erased`, and what was erased stays so', async () => {
    const { service, device } = world()
    const [romeo, store] = [await device('romeo'), memoryStore()]
    const [one, other] = [await device('juliet', { store }), await device('juliet', { store })]
    const heard = hearing(other.omemo)
    await service.finish(romeo.omemo.send(chat(one.account, 'hello'), [one.account]))
    await service.settle()
    await service.finish(one.omemo.erase({ server: false }))
    await service.finish(romeo.omemo.send(chat(one.account, 'still there?'), [one.account]))
    await device('romeo') // a list that changes, of which the other tab is told
    await service.settle()

    const key = { owner: romeo.account, fingerprint: romeo.omemo.fingerprint }
    const uses: readonly (() => Promise<unknown>)[] = [
      () => other.omemo.send(chat(romeo.account, 'hello'), [romeo.account]),
      () => other.omemo.decide(key, 'verified', 'compare'),
      () => other.omemo.devices(romeo.account, { refresh: true }),
      () => other.omemo.catchUp(),
      () => other.omemo.setLabel('tab'),
      () => other.omemo.start(),
    ]
    for (const use of uses)
      await expect(service.finish(use())).rejects.toMatchObject({ name: 'OmemoError', code: 'device-erased' })
    expect(heard.words).toEqual(['hello'])
    expect(other.events.filter(({ kind }) => kind === 'listener-failed')).toEqual([
      { kind: 'listener-failed', error: expect.objectContaining({ code: 'device-erased' }) },
    ])
    await service.finish(other.omemo.erase({ server: true }))
    expect(await contents(store)).toEqual([])
  })

  test('without the server leaves the lists alone', async () => {
    const { service, device } = world()
    const juliet = await device('juliet')
    expect(await service.finish(juliet.omemo.erase({ server: false }))).toEqual({ unlisted: false })
  })

  test('closing leaves no timer behind', async () => {
    const { service, device } = world()
    const timers = new Set<object>()
    const clock: Clock = {
      now: () => service.clock.now(),
      after(ms, f) {
        const timer = {}
        timers.add(timer)
        const cancel = service.clock.after(ms, () => {
          timers.delete(timer)
          f()
        })
        return () => {
          timers.delete(timer)
          cancel()
        }
      },
    }
    const [juliet, romeo] = [await device('juliet', { clock }), await device('romeo')]
    const heard = hearing(juliet.omemo)
    await service.finish(romeo.omemo.send(chat(juliet.account, 'hello'), [juliet.account]))
    await service.finish(juliet.omemo.send(chat(romeo.account, 'hello'), [romeo.account]))
    await service.settle()
    expect(heard.words).toEqual(['hello'])
    await service.finish(juliet.omemo.close())
    expect(timers.size).toBe(0)
  })
})
