/** What the façade does with any server: 1:1 in both namespaces, and nodes that are as they should not be. */
import { configuration, configure, fetchItems, publish } from '@xmpp-e2e/disco/pep'
import { element } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { connect } from './client.ts'
import { summary } from './facade.ts'
import { jidOf, type LiveScene, outcome, reads } from './live-scene.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from './python-omemo.ts'

/**
 * It may keep the session that we give up when both have opened one. Three messages of theirs in a row tell us, so two of
 * ours may go astray.
 */
const MAX_LOST = 2

export function liveSuite(scene: LiveScene): void {
  const { newAccount, ours, theirs } = scene
  describe.each<Namespace>([OMEMO_2, AXOLOTL])('1:1 in %s', (namespace) => {
    test('we write first', async () => {
      const [alice, bob] = [await ours(), await theirs([namespace])]
      const sent = await alice.send(jidOf(bob), 'one')
      expect(sent.reached.map(({ device, protocol }) => [device.id, protocol])).toEqual([
        [bob.deviceId, namespace],
      ])
      await reads(bob, { body: 'one', namespace, deviceId: alice.deviceId })
      await bob.send(alice.account, 'two')
      const from = { protocol: namespace, from: bob.jid, device: bob.deviceId, chat: bob.jid }
      expect(summary(await alice.next())).toEqual({ ...from, body: 'two', own: false, channel: 'live' })
      await alice.send(jidOf(bob), 'three')
      await reads(bob, { body: 'three', via: 'live' })
    })

    test('they write first, several times before we answer', async () => {
      const [alice, bob] = [await ours(), await theirs([namespace])]
      for (const body of ['one', 'two', 'three']) {
        await bob.send(alice.account, body)
        expect(summary(await alice.next())).toMatchObject({ body, protocol: namespace, device: bob.deviceId })
      }
      await alice.send(jidOf(bob), 'four')
      await reads(bob, { body: 'four' })
      await bob.send(alice.account, 'five')
      expect(summary(await alice.next())).toMatchObject({ body: 'five' })
    })

    test('both write first at the same time, and go on', async () => {
      const [alice, bob] = [await ours(), await theirs([namespace])]
      await Promise.all([alice.send(jidOf(bob), 'from us'), bob.send(alice.account, 'from them')])
      expect(summary(await alice.next())).toMatchObject({ body: 'from them' })
      expect(await outcome(bob, 'from us')).toMatchObject({ kind: 'message', body: 'from us' })
      let lost = 0
      for (let round = 0, read = 0; read < 4; round++) {
        await bob.send(alice.account, `theirs ${round}`)
        expect(summary(await alice.next())).toMatchObject({ body: `theirs ${round}` })
        await alice.send(jidOf(bob), `ours ${round}`)
        const { kind } = await outcome(bob, `ours ${round}`)
        if (kind === 'message') read++
        else lost++
      }
      expect(lost).toBeLessThanOrEqual(MAX_LOST)
    })
  })

  describe('nodes that are there already', () => {
    test.each<Namespace>([OMEMO_2, AXOLOTL])(
      'with a wrong access model are opened by `start`, %s',
      async (namespace) => {
        const account = newAccount()
        const before = await connect(scene.server, account)
        const node = namespace === OMEMO_2 ? `${OMEMO_2}:devices` : `${AXOLOTL}.devicelist`
        const list = namespace === OMEMO_2 ? 'devices' : 'list'
        const payload = element(namespace, list, {}, element(namespace, 'device', { id: '4711' }))
        await publish(before.connection, node, { id: 'current', payload }, { access: 'whitelist' })
        if (namespace === OMEMO_2) {
          const bundle = element(namespace, 'bundle')
          await publish(
            before.connection,
            `${OMEMO_2}:bundles`,
            { id: '4711', payload: bundle },
            { access: 'whitelist', maxItems: 1 },
          )
        }
        const alice = await ours(account)
        expect(await configuration(before.connection, node)).toMatchObject({ access: 'open' })
        if (namespace === OMEMO_2)
          expect(await configuration(before.connection, `${OMEMO_2}:bundles`)).toMatchObject({
            access: 'open',
          })
        const [item] = await fetchItems(before.connection, node)
        const ids = item?.payload?.children.map((el) => typeof el !== 'string' && el.attrs.id)
        expect(ids?.sort()).toEqual(['4711', `${alice.deviceId}`].sort())
        await before.close()
        // A stranger can write.
        const bob = await theirs([namespace])
        await bob.send(account.jid, 'found you')
        expect(summary(await alice.next())).toMatchObject({ body: 'found you' })
      },
    )

    test('that are closed later are opened again in the next session', async () => {
      const account = newAccount()
      const first = await ours(account)
      const node = `${AXOLOTL}.devicelist`
      await first.close()
      const other = await connect(scene.server, account)
      await configure(other.connection, node, { access: 'presence' })
      const again = await ours(account, { store: first.store })
      expect(await configuration(other.connection, node)).toMatchObject({ access: 'open' })
      expect(again.deviceId).toBe(first.deviceId)
      await other.close()
    })
  })
}
