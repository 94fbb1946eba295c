import { act, good, remark, seen } from '../block.ts'
import type { Device } from '../device.ts'
import { fact } from '../fact.ts'
import { count, local } from '../glimpse.ts'
import type { Scene } from '../scene.ts'
import type { World } from '../world.ts'

export const keys: Scene = {
  title: 'Everybody makes keys',
  before:
    'Each device makes secret keys that never leave it, and publishes the matching public ones. With those, anybody can write to it; only the device itself can read.',
  after:
    'Comparing is the one thing that people have to do themselves: the server hands out the keys, and could hand out its own.',
  async play(world) {
    for (const device of world.devices) await publish(world, device)
    const { alice, laptop, phone } = world.cast
    for (const [reader, other] of [
      [alice, laptop],
      [alice, phone],
      [laptop, alice],
      [phone, alice],
      [laptop, phone],
      [phone, laptop],
    ] as const)
      await reader.trust(other.jid, other.deviceId, await other.fingerprint(), world.server)
    await world.show({
      people: [good('Alice and Bob meet, and compare the fingerprints on their screens: all are the same')],
      server: [seen('(nothing: they did not ask it)')],
    })
  },
}

async function publish({ server, show }: World, device: Device): Promise<void> {
  const bundles = await device.bundles()
  const bytes = server.publish(device, bundles)
  fact(bundles.size === 2, `${device.name} speaks both versions`)
  await show({
    people: [
      remark(`${device.name} (${device.software})`),
      remark(`  key fingerprint ${shortened(await device.fingerprint())}`),
    ],
    server: [
      act(`${local(device.jid)} has device ${device.deviceId}`),
      seen(`  public keys, ${count(bytes)} bytes`),
    ],
  })
}

/** Sixty-four digits are for comparing, which an application lets a camera do. */
function shortened(fingerprint: string): string {
  return `${fingerprint.slice(0, 8)} … ${fingerprint.slice(-8)}`
}
