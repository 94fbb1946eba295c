/** Bundles and lists at the ends of what may be published: they cost their own device, and nobody else. */
import type { Element } from '@xmpp-e2e/xml'
import { expect, test } from 'vitest'
import { AXOLOTL, type Namespace, OMEMO_2 } from '../src/protocol.ts'
import { bundles } from '../src/stanza/bundle.ts'
import { nodeCurve as curve } from './node-curve.ts'
import { madeUpBundle, publishBundleOf, publishDevices, read, sent } from './sending-support.ts'
import { bodyOf, chat, world } from './world.ts'

/** Every id in a bundle replaced. */
function withIds(el: Element, id: number): Element {
  const attrs = Object.fromEntries(
    Object.entries(el.attrs).map(([name, value]) => [name, /id$/i.test(name) ? String(id) : value]),
  )
  const children = el.children.map((one) => (typeof one === 'string' ? one : withIds(one, id)))
  return { ...el, attrs, children }
}

const rows = ([OMEMO_2, AXOLOTL] as const).flatMap((namespace) =>
  [0, 2 ** 31, 2 ** 32 - 1].map((id) => [namespace, id] as const),
)

test.each(rows)('%s: a device whose prekeys have the id %i blocks nobody', async (namespace, id) => {
  const { service, device } = world()
  const juliet = await device('juliet', { curve })
  const romeo = await device('romeo', { curve })
  const format = bundles[namespace as Namespace]
  const listed = [romeo.omemo.deviceId, 2 ** 32 - 1]
  await publishDevices(service, romeo, namespace, listed)
  const bundle = withIds(format.encode(madeUpBundle(namespace, 'ends', 1)), id)
  await publishBundleOf(service, romeo, namespace, 2 ** 32 - 1, bundle)
  const outcome = sent(await service.finish(juliet.omemo.encrypt(chat(romeo.account, 'x'), [romeo.account])))
  expect(outcome.reached.map(({ device }) => device.id)).toContain(romeo.omemo.deviceId)
  for (const stanza of outcome.stanzas) await juliet.client.connection.send(stanza)
  await service.settle()
  expect((await read(service, romeo)).map(({ content }) => bodyOf(content))).toEqual(['x'])
  // And again, on the sessions that are stored now.
  sent(await service.finish(juliet.omemo.encrypt(chat(romeo.account, 'y'), [romeo.account])))
})
