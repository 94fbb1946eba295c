import {
  bundles,
  generateIdentity,
  generatePreKeys,
  type Identity,
  omemo2,
  publishedBundle,
  run,
} from '@xmpp-e2e/omemo/primitives'
import type { Element } from '@xmpp-e2e/xml'
import { bad, misdeed, seen } from '../block.ts'
import { fact } from '../fact.ts'
import type { Scene } from '../scene.ts'
import { refusal, type World } from '../world.ts'

const { namespace } = omemo2
/** Devices that Bob does not have. */
const PASTED = 6001
const INVENTED = 6002

export const cheating: Scene = {
  title: 'The server cheats',
  before:
    'Up to now the server was only curious. Now it changes a message on its way, and announces devices of Bob that Bob does not have.',
  after: 'Everything was noticed, nothing was damaged: a device that refuses stays exactly as it was.',
  async play(world) {
    await changesAMessage(world)
    await inventsDevices(world)
  },
}

async function changesAMessage(world: World): Promise<void> {
  const { alice, laptop, phone } = world.cast
  const key = await world.says(alice, 'The key is under the mat.', [
    misdeed('changes 1 bit of the ciphertext'),
  ])
  const changed = world.server.tampered(key.stanza)
  const why = await world.refuses(changed, phone)
  fact(why === 'payload-authentication-failed', `${phone.name} notices the change: ${why}`)
  await world.refuses(changed, laptop)
  await world.show({
    people: [refusal(phone, 'it was changed'), refusal(laptop, 'it was changed')],
    server: [misdeed('delivered to 2001 and 2002, changed')],
  })
  await world.reads(key, laptop, phone)
}

async function inventsDevices(world: World): Promise<void> {
  const { alice, laptop, phone } = world.cast
  const { server } = world
  const own = forgedBundle(generateIdentity())
  const real = bundles[namespace].decode(server.bundle(phone.jid, phone.deviceId, namespace)!)
  const pasted = { ...bundles[namespace].decode(own), identityKey: real.identityKey }
  const fakes = [
    [PASTED, bundles[namespace].encode(pasted)],
    [INVENTED, own],
  ] as const
  for (const [deviceId, bundle] of fakes)
    server.publish({ jid: phone.jid, deviceId }, new Map([[namespace, bundle]]))
  await world.show({
    people: [],
    server: [
      misdeed(`“bob has device ${PASTED}”`),
      seen('  Bob’s real key, the rest is mine'),
      misdeed(`“bob has device ${INVENTED}”`),
      seen('  a key of mine'),
    ],
  })
  const { letter, skipped } = await world.write(alice, 'See you on Sunday!')
  const codeOf = new Map(skipped.map(({ deviceId, code }) => [deviceId, code]))
  fact(skipped.length === 2, 'two devices get no key')
  fact(codeOf.get(PASTED) === 'bundle-signature-invalid', 'pasted keys are noticed')
  fact(codeOf.get(INVENTED) === 'key-not-compared', 'a key that nobody has compared is noticed')
  for (const [deviceId] of fakes) server.withdraw({ jid: phone.jid, deviceId })
  await world.sent(
    letter,
    [seen('(no key for 6001, none for 6002)')],
    [
      bad(`${PASTED} gets no key: Bob’s key has not signed these`),
      bad(`${INVENTED} gets no key: nobody has compared it`),
    ],
  )
  await world.reads(letter, laptop, phone)
}

/** What the server would like Alice to encrypt for. */
function forgedBundle(identity: Identity): Element {
  return bundles[namespace].encode(publishedBundle(omemo2, identity, run(generatePreKeys(1))))
}
