/** The endpoints of XEP-0450 §4, and what connects them: Alice has A1, A2 and A3, Bob has B1. */

import { bare, type Element } from '@xmpp-e2e/xml'
import {
  automaticTrustManagement,
  decideKey,
  type Endpoint,
  type Evidence,
  type KeyRef,
  type Keyring,
  type KeyringStep,
  type Level,
  meetKey,
  noticeElement,
  receiveTrustMessage,
  type TrustNotice,
  trustMessage,
} from '../src/index.ts'

export const OMEMO = 'urn:xmpp:omemo:2'
export const alice = bare('alice@example.org')
export const bob = bare('bob@example.com')

const ref = (owner: typeof alice, fingerprint: string): KeyRef => ({ owner, fingerprint })

// The keys of the examples.
export const A1: KeyRef = ref(alice, 'f3cddd91f25502652483be2fd5faaaa00f80868ac0d51d7eebb1b08a3892e33d')
export const A2: KeyRef = ref(alice, '6850019d7ed0feb6d3823072498ceb4f616c6025586f8f666dc6b9c81ef7e0a4')
export const A3: KeyRef = ref(alice, '221a4f8e228b72182b006e5ca527d3bddccf8d9e6feaf4ce96e1c451e8648020')
export const B1: KeyRef = ref(bob, '623548d3835c6d33ef5cb680f7944ef381cf712bf23a0119dabe5c4f252cd02f')
export const B2: KeyRef = ref(bob, 'b2'.repeat(32))

export const time = (seconds: number): Date => new Date(Date.UTC(2020, 0, 1) + 1000 * seconds)
export const late = time(1e9)

export const empty: Keyring = { keys: [], waiting: [] }

/** What an application keeps: the last keyring, and what the steps reported. */
export interface Device {
  readonly self: KeyRef
  readonly endpoint: Endpoint
  keyring(): Keyring
  level(key: KeyRef): Level | undefined
  meet(...keys: readonly KeyRef[]): KeyringStep
  decide(key: KeyRef, level: Level, seconds: number, by?: Evidence): KeyringStep
  receive(sender: KeyRef, element: Element, seconds: number): KeyringStep
}

export function device(self: KeyRef, options: Partial<Endpoint> = {}): Device {
  const endpoint: Endpoint = {
    account: self.owner,
    fingerprint: self.fingerprint,
    protocol: OMEMO,
    policy: automaticTrustManagement,
    ...options,
  }
  let keyring = empty
  const after = (step: KeyringStep): KeyringStep => {
    keyring = step.keyring
    return step
  }
  return {
    self,
    endpoint,
    keyring: () => keyring,
    level: (key) =>
      keyring.keys.find(({ owner, fingerprint }) => owner === key.owner && fingerprint === key.fingerprint)
        ?.level,
    meet: (...keys) => keys.map((key) => after(meetKey(keyring, endpoint, key))).at(-1) as KeyringStep,
    decide: (key, level, seconds, by = 'compare') =>
      after(decideKey(keyring, endpoint, { key, level, by, at: time(seconds) })),
    receive: (sender, element, seconds) =>
      after(
        receiveTrustMessage(keyring, endpoint, {
          message: trustMessage.decode(element),
          sender,
          at: time(seconds),
          now: late,
        }),
      ),
  }
}

/** A trust message about keys of one owner or several. */
export function saying(parts: {
  readonly trust?: readonly KeyRef[]
  readonly distrust?: readonly KeyRef[]
}): Element {
  return noticeElement({ to: alice, recipients: [], trust: [], distrust: [], ...parts }, OMEMO)
}

/** Carries notices to those that they are encrypted to. */
export function deliver(
  from: Device,
  notices: readonly TrustNotice[],
  to: readonly Device[],
  seconds: number,
): void {
  for (const notice of notices)
    for (const { self, receive } of to)
      if (
        notice.recipients.some(
          ({ owner, fingerprint }) => owner === self.owner && fingerprint === self.fingerprint,
        )
      )
        receive(from.self, noticeElement(notice, OMEMO), seconds)
}
