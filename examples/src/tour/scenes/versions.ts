import {
  axolotl,
  encryptedElements,
  encryptedFormats,
  type Namespace,
  omemo2,
} from '@xmpp-e2e/omemo/primitives'
import type { Element } from '@xmpp-e2e/xml'
import { act, remark, seen } from '../block.ts'
import { fact } from '../fact.ts'
import type { Scene } from '../scene.ts'

const OLD = axolotl.namespace
const NEW = omemo2.namespace

export const versions: Scene = {
  title: 'An old app and a new one',
  before:
    'OMEMO exists in two versions that do not understand each other, and most apps still speak only the old one. Bob’s phone gets such an app; its identity key stays the same.',
  after:
    'Each device got the best version that it understands, in one message. Fingerprints are the same in both, so nothing had to be compared again.',
  async play(world) {
    const { alice, laptop } = world.cast
    const phone = world.cast.phone.restarted({ namespaces: [OLD] })
    world.recast({ phone })
    fact((await phone.bundles()).size === 1, `${phone.name} speaks one version`)
    world.server.withdraw(phone, [NEW])
    await world.show({
      people: [remark(`${phone.name} starts the old app`)],
      server: [
        act(`new version: device ${laptop.deviceId}`),
        act(`old version: devices ${laptop.deviceId}, ${phone.deviceId}`),
      ],
    })
    const found = await world.says(alice, 'I found a place by the river.')
    for (const version of [OLD, NEW])
      fact(payloadLengths(found.stanza).has(version), `the message has a part in ${version}`)
    await world.reads(found, laptop, phone)
    await world.agree(alice, laptop, phone)
    const great = await world.says(phone, 'Great! The old app reads it too.')
    await world.reads(great, alice, laptop)
    await world.agree(alice, laptop, phone)
    const letters = [...great.body].length
    fact(payloadLengths(great.stanza).get(OLD) === letters, 'the old version shows the length of a text')
    fact(payloadLengths(found.stanza).get(NEW)! >= 48 + [...found.body].length, 'the new version pads it')
    await world.show({
      people: [remark('What the new version is better at: it hides how long a text is.')],
      server: [seen(`old: ${letters} bytes are ${letters} letters`), seen('new: padded, at random')],
    })
  },
}

function payloadLengths(stanza: Element): ReadonlyMap<Namespace, number | undefined> {
  return new Map(
    encryptedElements(stanza).map(({ namespace, element }) => [
      namespace,
      encryptedFormats[namespace].decode(element).payload?.length,
    ]),
  )
}
