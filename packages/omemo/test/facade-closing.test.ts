/** What goes on in the background when a program closes the façade, and then its store. */
import type { Store } from '@xmpp-e2e/store'
import { expect, test } from 'vitest'
import { chat, type TestDevice, world } from './world.ts'

/** A store whose next commit begins when it is told to. */
function held(store: Store) {
  let began = () => {}
  let release = () => {}
  const isUnderWay = new Promise<void>((resolve) => {
    began = resolve
  })
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  let isOver = false
  const wrapped: Store = {
    ...store,
    async commit(...args) {
      began()
      await gate
      const done = await store.commit(...args)
      isOver = true
      return done
    },
  }
  return { store: wrapped, isUnderWay, release, isOver: () => isOver }
}

const { device, service } = world()

async function send(from: TestDevice, to: TestDevice, body: string): Promise<void> {
  const sent = await service.finish(from.omemo.send(chat(to.account, body), [to.account]))
  expect(sent.kind).toBe('encrypted')
}

test('a message that is being opened is stored before it is closed, and given the next time', async () => {
  const [first, romeo] = [await device('juliet', { resource: 'one' }), await device('romeo')]
  await first.omemo.close()
  const { store, isUnderWay, release, isOver } = held(first.store)
  const juliet = await device('juliet', { resource: 'one', store, isStarted: false })
  const given: string[] = []
  juliet.omemo.listen((arrived) => void given.push(arrived.kind))
  await send(romeo, juliet, 'hello')
  await isUnderWay
  const closed = juliet.omemo.close().then(() => isOver())
  await service.settle()
  release()
  expect(await closed).toBe(true)
  expect(given).toEqual([])
  const again = await device('juliet', { resource: 'one', store: first.store, isStarted: false })
  expect((await again.omemo.unsettled()).map(({ kind }) => kind)).toEqual(['message'])
})

test('a handler may be what closes it, and its message is settled', async () => {
  const [alice, bob] = [await device('alice'), await device('bob')]
  const given: string[] = []
  alice.omemo.listen(async (arrived) => {
    given.push(arrived.kind)
    await alice.omemo.close()
  })
  await send(bob, alice, 'close')
  await send(bob, alice, 'never read')
  await service.settle()
  expect(given).toEqual(['message'])
  const again = await device('alice', { store: alice.store, isStarted: false })
  expect(await again.omemo.unsettled()).toEqual([])
})
