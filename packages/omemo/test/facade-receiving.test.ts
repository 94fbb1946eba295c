/** Receiving: what comes of a message, in both namespaces. */
import { bare, element, equal, text } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { settle, unsettled } from '../src/message/kept.ts'
import { decrypt } from '../src/message/receiving.ts'
import type { Decrypted, DecryptedMessage } from '../src/outcome.ts'
import { bareAccount } from './bare-account.ts'
import { BOTH, contents, givePreKeys, live, Peer } from './peer.ts'

export const romeo = bare('romeo@montague.lit')

function message(decrypted: Decrypted): DecryptedMessage {
  if (decrypted.kind !== 'message') throw new Error(JSON.stringify(decrypted))
  return decrypted
}

function bodies(decrypted: Decrypted): readonly string[] {
  return message(decrypted).content.map((el) => text(el))
}

describe.each(BOTH)('%s', (namespace) => {
  test('a key exchange, a message after it, and the same again until it is settled', async () => {
    const juliet = bareAccount()
    await givePreKeys(juliet)
    const peer = new Peer(romeo, 7)
    const first = live(juliet, await peer.write(juliet, namespace, 'hello', { id: 'm1' }))
    const opened = message(await decrypt(juliet, first))
    expect(bodies(opened)).toEqual(['hello'])
    expect(opened).toMatchObject({
      protocol: namespace,
      sender: { jid: romeo, id: 7 },
      key: { owner: romeo, fingerprint: peer.fingerprint, level: 'blind', own: false },
      authenticated: true,
      chat: romeo,
      own: false,
      warnings: [],
      unauthenticated: [],
    })
    expect(opened.stanza.attrs).toMatchObject({ id: 'm1', type: 'chat' })
    expect(bodies(await decrypt(juliet, live(juliet, await peer.write(juliet, namespace, 'again'))))).toEqual(
      ['again'],
    )

    const before = await contents(juliet)
    expect(await decrypt(juliet, first)).toEqual(opened)
    expect(await contents(juliet)).toBe(before)
    expect((await unsettled(juliet)).map((kept) => bodies(kept))).toEqual([['hello'], ['again']])
    await settle(juliet, [opened.ref])
    expect(await decrypt(juliet, first)).toEqual({ kind: 'silent', why: 'duplicate' })
    expect((await unsettled(juliet)).map((kept) => bodies(kept))).toEqual([['again']])
    expect((await juliet.effects.list()).map(({ kind }) => kind)).toContain('publish-bundle')
  })
})
