import { axolotl, omemo2 } from '@xmpp-e2e/omemo'
import { act, remark, seen } from '../block.ts'
import { fact } from '../fact.ts'
import { glimpse, VERSION } from '../glimpse.ts'
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
    const found = await world.says(alice, 'I found us a place by the river.')
    const shown = glimpse(found.stanza).map((block) => (block.kind === 'note' ? block.text : ''))
    for (const version of Object.values(VERSION))
      fact(shown.includes(`<encrypted> (${version})`), `the message has a part in the ${version} version`)
    await world.reads(found, laptop, phone)
    await world.agree(alice, laptop, phone)
    const great = await world.says(phone, 'Great! The old app reads it too.')
    await world.reads(great, alice, laptop)
    await world.agree(alice, laptop, phone)
    await world.show({
      people: [],
      server: [seen('(both versions look alike from here)')],
    })
  },
}
