/** What a program that listens is given. */
import { bare, element, text } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import type { Arrived, Handle } from '../src/index.ts'
import { chat, network, received, type TestClient } from './facade.ts'

const ROMEO = 'romeo@montague.lit/orchard'
const JULIET = 'juliet@capulet.lit/balcony'

const summary = (one: Arrived) => {
  if (one.kind === 'message') return one.content.map(text).join()
  return one.kind === 'plain' ? `plain ${one.unexpected}` : one.code
}

/** Romeo decrypts himself, Juliet listens. */
async function couple(handle: Handle) {
  const net = network()
  const romeo = await net.client(ROMEO)
  const juliet = await net.client(JULIET, { listens: true })
  const stop = juliet.otr.listen(handle)
  const say = (words: string) => romeo.otr.send(chat(bare(JULIET), words), [bare(JULIET)])
  await romeo.otr.query(bare(JULIET))
  await net.settle()
  return { net, romeo, juliet, stop, say }
}

const plainTo = ({ get }: TestClient, words: string, type = 'chat') =>
  get(
    element('jabber:client', 'message', { from: ROMEO, to: JULIET, type }, [
      element('jabber:client', 'body', {}, words),
    ]),
  )

test('messages, plain text and what cannot be read, in order; key exchanges happen by themselves', async () => {
  const given: string[] = []
  const { net, juliet, say } = await couple((arrived, { chat: from }) => {
    given.push(`${from}: ${summary(arrived)}`)
  })
  expect(juliet.otr.sessions().map(({ session }) => session.state)).toStrictEqual(['encrypted'])
  await say('a')
  await say('b')
  await net.settle()
  plainTo(juliet, 'in the clear')
  plainTo(juliet, '?OTR:AAM=.')
  plainTo(juliet, 'not for OTR', 'groupchat')
  await net.settle()
  const from = 'romeo@montague.lit'
  expect(given).toStrictEqual([
    `${from}: a`,
    `${from}: b`,
    `${from}: plain true`,
    `${from}: message-malformed`,
  ])
})

test('one after another, also where one takes long, which holds up nothing of OTR', async () => {
  const log: string[] = []
  let release = (): void => {}
  const { net, romeo, juliet, say } = await couple(async (arrived) => {
    log.push(`begin ${summary(arrived)}`)
    if (log.length === 1) await new Promise<void>((resolve) => (release = resolve))
    log.push(`end ${summary(arrived)}`)
  })
  await say('a')
  await say('b')
  await net.settle()
  expect(log).toStrictEqual(['begin a'])
  await romeo.otr.compare(bare(JULIET), 'x')
  await net.settle()
  expect(juliet.events.at(-1)).toMatchObject({ kind: 'smp-asked' })
  release()
  await net.settle()
  expect(log).toStrictEqual(['begin a', 'end a', 'begin b', 'end b'])
})

test('what rejects or throws is told, and the next is given', async () => {
  const error = new Error('full')
  const given: string[] = []
  const { net, juliet, say } = await couple((arrived) => {
    given.push(summary(arrived))
    if (given.length === 1) throw error
    return given.length === 2 ? Promise.reject(error) : undefined
  })
  for (const words of ['a', 'b', 'c']) await say(words)
  await net.settle()
  expect(given).toStrictEqual(['a', 'b', 'c'])
  expect(juliet.events.filter(({ kind }) => kind === 'listener-failed')).toStrictEqual([
    { kind: 'listener-failed', error },
    { kind: 'listener-failed', error },
  ])
})

test('one listens at a time, and after stopping or closing nobody', async () => {
  const given: string[] = []
  const { net, juliet, stop, say } = await couple((arrived) => given.push(summary(arrived)))
  expect(() => juliet.otr.listen(() => {})).toThrow(TypeError)
  stop()
  await say('nobody hears')
  await net.settle()
  const stopAgain = juliet.otr.listen((arrived) => given.push(`again ${summary(arrived)}`))
  stop()
  expect(() => juliet.otr.listen(() => {})).toThrow(TypeError)
  await say('b')
  await net.settle()
  expect(given).toStrictEqual(['again b'])
  await juliet.otr.close()
  stopAgain()
  plainTo(juliet, 'after the end')
  expect(() => juliet.otr.listen(() => {})).toThrow(TypeError)
  await net.settle()
  expect(given).toStrictEqual(['again b'])
  await expect(juliet.otr.decrypt(received(chat(JULIET, 'x'), JULIET))).rejects.toThrow(TypeError)
})
