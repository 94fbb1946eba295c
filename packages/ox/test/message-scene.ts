/** Two people, one of whom reads what the other, or an attacker, has written. */
import type { BareJid } from '@xmpp-e2e/xml'
import { generateSecretKey, type SecretKey } from '../src/openpgp/secret-key.ts'
import { secretOf } from './message-support.ts'
import { type TestClient, type World, world } from './world.ts'

export interface Scene extends World {
  readonly juliet: TestClient
  readonly romeo: TestClient
  readonly keys: { readonly juliet: SecretKey; readonly romeo: SecretKey; readonly stranger: SecretKey }
  readonly mercutio: BareJid
}

/** Romeo reads; juliet's keys are known to him. */
export async function scene(options: Parameters<World['client']>[1] = {}): Promise<Scene> {
  const here = world()
  const juliet = await here.client('juliet')
  const romeo = await here.client('romeo', options)
  await here.finish(romeo.ox.certificates(juliet.account, { refresh: true }))
  const keys = {
    juliet: await secretOf(here, juliet),
    romeo: await secretOf(here, romeo),
    stranger: await generateSecretKey(juliet.account, here.service.clock.now(), undefined),
  }
  return { ...here, juliet, romeo, keys, mercutio: here.service.account('mercutio') }
}
