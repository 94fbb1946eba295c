/** Messages that no honest client writes: any content, by any key, to any keys, and how they came in. */
import { type BareJid, type Element, element, type Received, receive, vouch } from '@xmpp-e2e/xml'
import { type Content, encodeContent } from '../src/elements/content.ts'
import { openpgpElement } from '../src/elements/openpgp-element.ts'
import type { Certificate } from '../src/openpgp/certificate.ts'
import { crypt, sign, signcrypt } from '../src/openpgp/message.ts'
import { readSecretKeys, type SecretKey } from '../src/openpgp/secret-key.ts'
import type { Decrypted, DecryptedMessage } from '../src/outcome.ts'
import { bodyOf, type TestClient, type World } from './world.ts'

export const body = (words: string): Element => element('jabber:client', 'body', {}, words)

/** The key that signs, unlocked. */
export async function secretOf({ service }: World, { ox }: TestClient): Promise<SecretKey> {
  const bytes = await ox.exportSecretKey(ox.fingerprint ?? '', { unprotected: true })
  const [key] = await readSecretKeys(bytes, service.clock.now())
  if (key === undefined) throw new Error('no key')
  return key
}

export interface Crafted {
  readonly by?: SecretKey
  readonly for: readonly Certificate[]
  /** What it says it is, and what it is. */
  readonly kind?: Content['kind']
  readonly as?: Content['kind']
  readonly to: readonly BareJid[]
  readonly time?: Date
  readonly payload?: readonly Element[]
  /** When it is signed. */
  readonly at?: number
}

/** An `<openpgp/>`. */
export async function crafted({ service }: World, crafted: Crafted): Promise<Element> {
  const now = service.clock.now()
  const {
    by,
    kind = 'signcrypt',
    as = kind,
    to,
    time = new Date(now),
    payload = [body('Hello.')],
    at = now,
  } = crafted
  const content = encodeContent({ kind, to, time, payload }, (length) => service.random(length))
  if (as === 'crypt') return openpgpElement(await crypt(content, crafted.for, now))
  if (by === undefined) throw new TypeError('by: expected a key')
  return openpgpElement(
    as === 'sign' ? await sign(content, by, at) : await signcrypt(content, by, crafted.for, at),
  )
}

export function message(attrs: Readonly<Record<string, string>>, ...children: readonly Element[]): Element {
  return element('jabber:client', 'message', { type: 'chat', id: 'm', ...attrs }, children)
}

/** As it comes from the server, live. */
export function received(account: BareJid, stanza: Element): Received {
  const found = receive(stanza, { account })
  if (found.kind !== 'message') throw new Error(found.kind)
  return found
}

/** With another provenance. */
export function vouched(one: Received, changes: Partial<Omit<Received, 'kind' | 'checkedBy'>>): Received {
  return vouch({ ...one, ...changes })
}

export function shown(decrypted: Decrypted): DecryptedMessage {
  if (decrypted.kind !== 'message') throw new Error(JSON.stringify(decrypted))
  return decrypted
}

/** The body, or the code: what a test wants to know of most messages. */
export function summary(decrypted: Decrypted): string {
  switch (decrypted.kind) {
    case 'message':
      return `message: ${bodyOf(decrypted.content)}`
    case 'silent':
      return `silent: ${decrypted.why}`
    case 'unreadable':
      return `${decrypted.code}: ${decrypted.retry}`
  }
}
