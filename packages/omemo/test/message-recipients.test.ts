/** Which devices a message goes to, in which namespace, with which of their keys. */

import { bytesToHex } from '@noble/hashes/utils.js'
import type { Key, Level } from '@xmpp-e2e/trust'
import { bare } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { run } from '../src/curve.ts'
import type { FetchedBundle } from '../src/device/bundle-fetch.ts'
import {
  type BundleCode,
  type Contact,
  newContact,
  withBundle,
  withIdentity,
  withList,
} from '../src/device/contact.ts'
import {
  BUNDLE_RETRY_MS,
  type Known,
  MAX_UNANSWERED,
  nameOfBundle,
  nameOfKey,
  nameOfList,
  type Step,
  stepsFor,
  type Wanted,
} from '../src/message/recipients.ts'
import { AXOLOTL, type Namespace, OMEMO_2, omemo2 } from '../src/protocol.ts'
import { initiateSession, type Session } from '../src/session.ts'
import { withInitiated } from '../src/session-list.ts'
import { nodeCurve } from './node-curve.ts'
import { device, verifiedBundle } from './support.ts'

const romeo = bare('romeo@montague.lit')
const juliet = bare('juliet@capulet.lit')
const us = device('us', 1)
const them = device('them', 7)
const session = run(initiateSession(omemo2, us.self, verifiedBundle(omemo2, them), 0), nodeCurve)

const NOW = 1_000_000

const fingerprintOf = (name: string) => bytesToHex(device(name, 7).self.identity.montgomery)
const keyOf = (name: string, level: Level): Key => ({
  owner: romeo,
  fingerprint: fingerprintOf(name),
  protocol: OMEMO_2,
  level,
  own: false,
})

interface Situation {
  /** In which lists device 7 is. */
  readonly listed?: readonly Namespace[]
  /** Its keys, newest first. */
  readonly keys?: Readonly<Record<string, Level>>
  readonly sessions?: readonly (readonly [Namespace, string, Session?])[]
  readonly bundles?: readonly (readonly [Namespace, string, Level?])[]
  /** Bundles that could not be had so many milliseconds ago. */
  readonly failed?: readonly (readonly [Namespace, BundleCode, number])[]
  readonly wanted?: Partial<Wanted>
}

function steps(situation: Situation): readonly Step[] {
  const { listed = [OMEMO_2, AXOLOTL], keys = {}, sessions = [], bundles = [], failed = [] } = situation
  let contact: Contact = newContact(romeo)
  for (const namespace of listed) contact = withList(contact, namespace, [{ id: 7 }], 0)
  for (const name of Object.keys(keys).reverse()) {
    contact = withIdentity(contact, 7, { fingerprint: fingerprintOf(name) }, 0).contact
  }
  for (const [namespace, code, age] of failed) contact = withBundle(contact, 7, namespace, code, NOW - age)
  const ref = { jid: romeo, id: 7 }
  const all = [
    ...Object.entries(keys).map(([name, level]) => keyOf(name, level)),
    ...bundles.flatMap(([, name, level]) => (level === undefined ? [] : [keyOf(name, level)])),
  ]
  const known: Known = {
    contacts: new Map([[romeo, contact]]),
    keys: new Map(all.map((key) => [nameOfKey(romeo, key.fingerprint), key])),
    lists: new Map(
      sessions.map(([namespace, name, current = session]) => {
        const list = { namespace, device: ref, fingerprint: fingerprintOf(name) }
        return [
          nameOfList(list),
          { ref: list, sessions: withInitiated(undefined, current), archived: undefined },
        ]
      }),
    ),
    bundles: new Map(
      bundles.map(([namespace, name, level]): [string, FetchedBundle] => {
        const found = { device: ref, namespace }
        return [
          nameOfBundle(namespace, ref),
          level === undefined
            ? { ...found, code: name as BundleCode, cause: undefined }
            : { ...found, bundle: verifiedBundle(omemo2, device(name, 7)) },
        ]
      }),
    ),
    now: NOW,
    maySend: ({ level }) => level === 'blind' || level === 'verified',
  }
  return stepsFor(
    {
      accounts: [romeo],
      spoken: [OMEMO_2, AXOLOTL],
      namespaces: [OMEMO_2, AXOLOTL],
      self: { jid: juliet, id: 1 },
      maxDevices: 50,
      ...situation.wanted,
    },
    known,
  )
}

/** What is done, in short. */
function told(step: Step | undefined): string {
  if (step === undefined) return 'nothing'
  if (step.kind === 'skip') return `skip ${step.code}`
  if (step.kind === 'fetch') return `fetch ${step.namespace}`
  const name = ['a', 'b', 'c'].find((one) => fingerprintOf(one) === step.key.fingerprint)
  return `${step.kind} ${step.namespace} ${name}`
}

describe.each<[string, Situation, string]>([
  ['of a new device a bundle is fetched, of omemo:2 first', {}, `fetch ${OMEMO_2}`],
  ['where it is listed', { listed: [AXOLOTL] }, `fetch ${AXOLOTL}`],
  ['and a session opened', { bundles: [[OMEMO_2, 'a', 'blind']] }, `open ${OMEMO_2} a`],
  [
    'nobody who is not listed',
    { listed: [], keys: { a: 'verified' }, sessions: [[OMEMO_2, 'a']] },
    'nothing',
  ],
  ['a broken bundle leaves 0.3', { bundles: [[OMEMO_2, 'bundle-malformed']] }, `fetch ${AXOLOTL}`],
  [
    'two broken bundles are told by the better one',
    {
      bundles: [
        [OMEMO_2, 'bundle-malformed'],
        [AXOLOTL, 'bundle-missing'],
      ],
    },
    'skip bundle-malformed',
  ],
  [
    'an undecided key is told rather than a broken bundle',
    {
      bundles: [
        [OMEMO_2, 'bundle-malformed'],
        [AXOLOTL, 'a', 'undecided'],
      ],
    },
    'skip key-undecided',
  ],
  ['a session is used', { keys: { a: 'blind' }, sessions: [[OMEMO_2, 'a']] }, `send ${OMEMO_2} a`],
  [
    'one of omemo:2 is opened where there is one of 0.3',
    { keys: { a: 'blind' }, sessions: [[AXOLOTL, 'a']] },
    `fetch ${OMEMO_2}`,
  ],
  [
    'and that of 0.3 is used where it cannot be',
    { keys: { a: 'blind' }, sessions: [[AXOLOTL, 'a']], bundles: [[OMEMO_2, 'bundle-missing']] },
    `send ${AXOLOTL} a`,
  ],
  [
    'a bundle that could not be had is not asked for again at once',
    { failed: [[OMEMO_2, 'bundle-missing', BUNDLE_RETRY_MS - 1]] },
    `fetch ${AXOLOTL}`,
  ],
  [
    'nor are two',
    {
      failed: [
        [OMEMO_2, 'bundle-missing', 0],
        [AXOLOTL, 'bundle-malformed', 0],
      ],
    },
    'skip bundle-missing',
  ],
  ['but after a minute', { failed: [[OMEMO_2, 'bundle-missing', BUNDLE_RETRY_MS]] }, `fetch ${OMEMO_2}`],
  [
    'whatever a clock has said',
    { failed: [[OMEMO_2, 'bundle-missing', -BUNDLE_RETRY_MS]] },
    `fetch ${OMEMO_2}`,
  ],
  [
    'and for a person at once, of undecided keys, too',
    { keys: { a: 'undecided' }, failed: [[OMEMO_2, 'bundle-missing', 0]], wanted: { isFresh: true } },
    `fetch ${OMEMO_2}`,
  ],
  ['a known key that is undecided is not fetched', { keys: { a: 'undecided' } }, 'skip key-undecided'],
  [
    'nor one that is distrusted',
    { keys: { a: 'distrusted' }, sessions: [[OMEMO_2, 'a']] },
    'skip key-distrusted',
  ],
  [
    'row 17: a stranger under the same id takes nothing away',
    {
      keys: { b: 'undecided', a: 'verified' },
      sessions: [
        [OMEMO_2, 'b'],
        [OMEMO_2, 'a'],
      ],
    },
    `send ${OMEMO_2} a`,
  ],
  [
    'of two that may be sent to, the newest',
    {
      keys: { b: 'blind', a: 'verified' },
      sessions: [
        [OMEMO_2, 'a'],
        [OMEMO_2, 'b'],
      ],
    },
    `send ${OMEMO_2} b`,
  ],
  [
    'a session anew, whatever there is',
    { keys: { a: 'blind' }, sessions: [[OMEMO_2, 'a']], wanted: { isFresh: true } },
    `fetch ${OMEMO_2}`,
  ],
  [
    'what only omemo:2 can say',
    { listed: [AXOLOTL], wanted: { namespaces: [OMEMO_2] } },
    'skip content-needs-omemo2',
  ],
  ['a version that we do not speak', { listed: [AXOLOTL], wanted: { spoken: [OMEMO_2] } }, 'nothing'],
  ['this device', { wanted: { self: { jid: romeo, id: 7 } } }, 'nothing'],
  ['another one of ours', { wanted: { self: { jid: romeo, id: 8 } } }, `fetch ${OMEMO_2}`],
  ['devices that are not meant', { wanted: { isMeant: ({ id }) => id !== 7 } }, 'nothing'],
  [
    'keys that are not meant',
    { keys: { a: 'verified' }, sessions: [[OMEMO_2, 'a']], wanted: { isMeantKey: () => false } },
    'skip key-distrusted',
  ],
])('%s', (_, situation, expected) => {
  test(expected, () => {
    expect(told(steps(situation)[0])).toBe(expected)
  })
})

test.each([
  [MAX_UNANSWERED - 1, 'send'],
  [MAX_UNANSWERED, 'skip'],
])('row 24: after %d messages without an answer: %s', (next, kind) => {
  const { ratchet } = session
  if (ratchet.state !== 'sending') throw new Error('no sending chain')
  const used = { ...session, ratchet: { ...ratchet, sending: { ...ratchet.sending, next } } }
  const [step] = steps({ keys: { a: 'blind' }, sessions: [[OMEMO_2, 'a', used]] })
  expect(step).toMatchObject({ kind, ...(kind === 'skip' && { code: 'device-read-only' }) })
})

test('devices that have shown a key come before those that a server has only listed', () => {
  let contact = newContact(romeo)
  contact = withList(
    contact,
    OMEMO_2,
    Array.from({ length: 60 }, (_, i) => ({ id: i + 1 })),
    0,
  )
  contact = withIdentity(contact, 60, { fingerprint: fingerprintOf('a') }, 0).contact
  const known: Known = {
    contacts: new Map([[romeo, contact]]),
    keys: new Map([[nameOfKey(romeo, fingerprintOf('a')), keyOf('a', 'blind')]]),
    lists: new Map(),
    bundles: new Map(),
    now: NOW,
    maySend: () => true,
  }
  const wanted: Wanted = {
    accounts: [romeo],
    spoken: [OMEMO_2],
    namespaces: [OMEMO_2],
    self: { jid: juliet, id: 1 },
    maxDevices: 50,
  }
  const found = stepsFor(wanted, known)
  expect(found[0]).toEqual({ kind: 'fetch', device: { jid: romeo, id: 60 }, namespace: OMEMO_2 })
  expect(found.filter(({ kind }) => kind === 'fetch')).toHaveLength(50)
  expect(found.slice(50).map((step) => told(step))).toEqual(Array(10).fill('skip devices-too-many'))
})
