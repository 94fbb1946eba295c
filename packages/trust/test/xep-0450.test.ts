import { parse } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import {
  ATM_NAMESPACE,
  automaticTrustManagement,
  blindTrustBeforeVerification,
  formatOpenpgpUri,
  type KeyRef,
  type KeyringStep,
  MAX_NOTICE_KEYS,
  meetKey,
  noticeElement,
  parseFingerprint,
  parseKeyUri,
  parseOpenpgpUri,
  receiveTrustMessage,
  type TrustNotice,
  trustMessage,
} from '../src/index.ts'
import {
  A1,
  A2,
  A3,
  alice,
  B1,
  B2,
  bob,
  type Device,
  deliver,
  device,
  late,
  OMEMO,
  saying,
  time,
} from './people.ts'
import vectors from './vectors/trust-messages.json' with { type: 'json' }

const example = (number: number) => {
  const found = vectors.cases.find(({ name }) => name.startsWith(`XEP-0450 example ${number}:`))
  return { element: parse(found?.xml ?? ''), to: found?.to }
}
const written = ({ notices }: KeyringStep) => notices.map((notice) => noticeElement(notice, OMEMO))
const to = ({ notices }: KeyringStep) => notices.map(({ to, recipients }) => [to, recipients])

/** §4, the state that the examples begin with: A1 has authenticated A2's key. */
function a1() {
  const it = device(A1)
  it.meet(A2, A3, B1)
  it.decide(A2, 'verified', 0)
  return it
}

describe('§4.1.1 authenticating the key of a contact, sending', () => {
  test('to own endpoints that key, to its endpoint the own keys: examples 1 and 2', () => {
    const step = a1().decide(B1, 'verified', 1)
    expect(written(step)).toEqual([example(1).element, example(2).element])
    expect(to(step)).toEqual([
      [alice, [A2]],
      [bob, [B1]],
    ])
    expect(step.notices.map((notice) => notice.to)).toEqual([example(1).to, example(2).to])
  })

  test('nothing to own endpoints that are not authenticated, and nothing about them', () => {
    const it = device(A1)
    it.meet(A2, A3, B1)
    expect(it.decide(B1, 'verified', 1).notices).toEqual([])
  })

  test('a key that was not known is told as well', () => {
    const it = a1()
    const step = it.decide(B2, 'verified', 1, 'scan')
    expect(to(step)).toEqual([
      [alice, [A2]],
      [bob, [B2]],
    ])
    expect(it.level(B2)).toBe('verified')
  })

  test('only initially', () => {
    const it = a1()
    it.decide(B1, 'verified', 1, 'scan')
    expect(it.decide(B1, 'verified', 2, 'compare').notices).toEqual([])
  })

  test('not when a message did it', () => {
    const step = a1().receive(A2, example(1).element, 1)
    expect(step.changed).toMatchObject([{ ...B1, level: 'verified', by: 'trust-message' }])
    expect(step.notices).toEqual([])
  })

  test.each(['undecided', 'blind'] as const)('not for %s', (level) => {
    expect(a1().decide(A2, level, 1).notices).toEqual([])
  })

  test('not without a policy that wants it', () => {
    const it = device(A1, { policy: blindTrustBeforeVerification })
    it.meet(A2, B1)
    it.decide(A2, 'verified', 0)
    expect(it.decide(B1, 'verified', 1).notices).toEqual([])
  })
})

describe('§4.1.2 authenticating the key of a contact, receiving', () => {
  test('from an own endpoint, as soon as its key is authenticated', () => {
    const a2 = device(A2)
    a2.meet(A1, B1)
    a2.receive(A1, example(1).element, 1)
    expect(a2.level(B1)).toBe('blind')
    a2.decide(A1, 'verified', 2)
    expect(a2.level(B1)).toBe('verified')
    expect(a2.keyring().waiting).toEqual([])
  })

  test('from another endpoint of the contact, as soon as its key is authenticated', () => {
    const b1 = device(B1)
    b1.meet(A1, A2)
    b1.receive(A1, example(2).element, 1)
    expect(b1.level(A2)).toBe('blind')
    const step = b1.decide(A1, 'verified', 2)
    expect(b1.level(A2)).toBe('verified')
    expect(step.changed.map(({ fingerprint }) => fingerprint).sort()).toEqual(
      [A1, A2].map((k) => k.fingerprint).sort(),
    )
  })

  test.each<[string, KeyRef, KeyRef]>([
    ['a contact about an own key', B1, A3],
    ['a contact about a third', B1, { owner: 'eve@example.net' as typeof bob, fingerprint: 'ee' }],
    ['an endpoint about itself', B1, B1],
    ['an own endpoint about itself', A2, A2],
    ['anybody about this endpoint', A2, A1],
  ])('not from %s', (_name, sender, about) => {
    for (const kind of ['trust', 'distrust'] as const) {
      const it = a1()
      it.meet(A3, about)
      it.decide(B1, 'verified', 1)
      const before = it.keyring()
      expect(it.receive(sender, saying({ [kind]: [about] }), 2).changed).toEqual([])
      expect(it.keyring()).toEqual(before)
    }
  })

  test('not from this endpoint, which carbons return', () => {
    const it = a1()
    const before = it.keyring()
    it.receive(A1, saying({ trust: [B1] }), 2)
    expect(it.keyring()).toEqual(before)
  })

  test.each([
    ['another usage', { usage: 'urn:xmpp:atm:0' }],
    ['another encryption', { encryption: 'urn:xmpp:openpgp:0' }],
  ])('not with %s', (_name, part) => {
    const it = a1()
    const message = {
      usage: ATM_NAMESPACE,
      encryption: OMEMO,
      keyOwners: [{ jid: bob, trust: [Uint8Array.from(Buffer.from(B1.fingerprint, 'hex'))], distrust: [] }],
    }
    const received = { sender: A2, at: time(1), now: late }
    const step = (change: object) =>
      receiveTrustMessage(it.keyring(), it.endpoint, { ...received, message: { ...message, ...change } })
    expect(step({}).changed.length).toBe(1)
    expect(step(part)).toMatchObject({ changed: [], keyring: it.keyring() })
  })

  test('not when the policy does not want it', () => {
    const it = device(A1, { policy: blindTrustBeforeVerification })
    it.meet(A2, B1)
    it.decide(A2, 'verified', 0)
    expect(it.receive(A2, saying({ trust: [B1] }), 1).keyring.waiting).toEqual([])
    expect(it.level(B1)).toBe('blind')
  })
})

describe('§4.2 authenticating the key of an own endpoint', () => {
  const a2 = () => {
    const it = device(A2)
    it.meet(A1, A3, B1)
    it.decide(A1, 'verified', 0)
    it.receive(A1, example(1).element, 1)
    return it
  }

  test('that key to all others, all keys to its endpoint: examples 3, 4 and 5', () => {
    const step = a2().decide(A3, 'verified', 2)
    expect(to(step)).toEqual([
      [alice, [A1]],
      [bob, [B1]],
      [alice, [A3]],
    ])
    expect(written(step)).toEqual([example(4).element, example(3).element, example(5).element])
  })

  test('received from an own endpoint', () => {
    const it = a1()
    it.receive(A2, example(4).element, 2)
    expect(it.level(A3)).toBe('verified')
  })

  test('received from an own endpoint by the contact', () => {
    const b1 = device(B1)
    b1.meet(A2, A3)
    b1.decide(A2, 'verified', 0)
    b1.receive(A2, example(3).element, 2)
    expect(b1.level(A3)).toBe('verified')
  })

  test('received by the new endpoint, before it knows or has authenticated anybody', () => {
    const a3 = device(A3)
    a3.receive(A2, example(5).element, 2)
    a3.meet(A2, B1)
    expect(a3.level(B1)).toBe('blind')
    a3.decide(A2, 'verified', 3)
    expect(a3.level(B1)).toBe('verified')
    a3.meet(A1)
    expect(a3.level(A1)).toBe('verified')
    expect(a3.keyring().waiting).toEqual([])
  })

  test('MAX_NOTICE_KEYS', () => {
    const sentTo = (contacts: number) => {
      const it = device(A1)
      for (let i = 0; i < contacts; i++)
        it.decide({ owner: `c${i}@example.net` as typeof bob, fingerprint: 'cc' }, 'verified', 0)
      const { notices } = it.decide(A3, 'verified', 1)
      return notices.filter(({ recipients }) => recipients[0]?.fingerprint === A3.fingerprint)
    }
    const sizes = (notices: readonly TrustNotice[]) => notices.map(({ trust }) => trust.length)
    expect(sizes(sentTo(MAX_NOTICE_KEYS))).toEqual([MAX_NOTICE_KEYS])
    expect(sizes(sentTo(MAX_NOTICE_KEYS + 1))).toEqual([MAX_NOTICE_KEYS, 1])
  })
})

describe('§4.3 distrusting the key of an own endpoint', () => {
  test('to all others and not to it: examples 6 and 7', () => {
    const it = a1()
    it.decide(A3, 'verified', 1)
    it.decide(B1, 'verified', 2)
    const step = it.decide(A3, 'distrusted', 3, 'choice')
    expect(to(step)).toEqual([
      [alice, [A2]],
      [bob, [B1]],
    ])
    expect(written(step)).toEqual([example(7).element, example(6).element])
  })

  test('also when it was never authenticated', () => {
    expect(to(a1().decide(A3, 'distrusted', 3, 'choice'))).toEqual([[alice, [A2]]])
  })

  test('received', () => {
    const a2 = device(A2)
    a2.meet(A1, A3)
    a2.decide(A3, 'verified', 1)
    a2.receive(A1, example(7).element, 3)
    expect(a2.level(A3)).toBe('verified')
    a2.decide(A1, 'verified', 4)
    expect(a2.level(A3)).toBe('distrusted')
  })
})

describe('§4.4 distrusting the key of a contact', () => {
  test('to own endpoints alone: example 8', () => {
    const it = a1()
    it.decide(B1, 'verified', 1)
    it.decide(A3, 'distrusted', 2)
    const step = it.decide(B1, 'distrusted', 3, 'choice')
    expect(written(step)).toEqual([example(8).element])
    expect(to(step)).toEqual([[alice, [A2]]])
  })

  test('received from an own endpoint, and from another one of the contact', () => {
    const a2 = device(A2)
    a2.meet(A1, B1)
    a2.decide(B1, 'verified', 0)
    a2.decide(A1, 'verified', 1)
    a2.receive(A1, example(8).element, 3)
    expect(a2.level(B1)).toBe('distrusted')

    const b1 = device(B1)
    b1.meet(A1, A3)
    b1.decide(A1, 'verified', 0)
    b1.receive(A1, example(6).element, 3)
    expect(b1.level(A3)).toBe('distrusted')
  })
})

describe('§4 OOK: all endpoints of an account share one key', () => {
  const shared = () => {
    const it = device(A1, { sharesKey: true })
    it.meet(B1, B2)
    return it
  }

  test('own endpoints are told, always', () => {
    const it = shared()
    expect(to(it.decide(B1, 'verified', 1))).toEqual([[alice, [A1]]])
    expect(to(it.decide(B1, 'distrusted', 2))).toEqual([[alice, [A1]]])
  })

  test('own endpoints are believed, always, about contacts', () => {
    const it = shared()
    it.receive(A1, saying({ trust: [B1], distrust: [B2] }), 1)
    expect([it.level(B1), it.level(B2)]).toEqual(['verified', 'distrusted'])
  })

  test('nobody is told or believed about own keys, and no contact about theirs', () => {
    const it = shared()
    it.meet(A2)
    expect(it.decide(A2, 'verified', 1).notices).toEqual([])
    it.decide(B1, 'verified', 2)
    it.receive(A1, saying({ distrust: [A2] }), 3)
    it.receive(B1, saying({ distrust: [B2] }), 3)
    expect([it.level(A2), it.level(B2)]).toEqual(['verified', 'undecided'])
  })
})

describe('§4 with 20-byte keys: OX', () => {
  const OX = 'urn:xmpp:openpgp:0'
  const v4 = '1357B01865B2503C18453D208CAC2A9678548E35'
  const hers: KeyRef = { owner: alice, fingerprint: 'a0'.repeat(20) }
  const his: KeyRef = { owner: bob, fingerprint: parseFingerprint('openpgp', v4) }
  const ox = () => device(hers, { protocol: OX, sharesKey: true })

  test.each([
    ['trust', 'verified'],
    ['distrust', 'distrusted'],
  ] as const)('a URI decides about the key that was met: %s', (word, level) => {
    const it = ox()
    it.meet(his)
    const { jid, claims } = parseKeyUri(`xmpp:${bob}?trust-message;encryption=${OX};${word}=${v4}`, bob)
    for (const claim of claims)
      if (claim.kind === 'trust-message')
        it.decide(
          { owner: jid, fingerprint: claim.keyId },
          claim.trust ? 'verified' : 'distrusted',
          1,
          'scan',
        )
    expect(it.keyring().keys).toMatchObject([{ ...his, level, by: 'scan' }])
  })

  test('so does the URI of OpenPGP apps', () => {
    const it = ox()
    it.meet(his)
    it.decide({ owner: bob, fingerprint: parseOpenpgpUri(formatOpenpgpUri(v4)) }, 'verified', 1, 'scan')
    expect(it.keyring().keys).toMatchObject([{ ...his, level: 'verified' }])
  })

  test('a notice reaches the key that was met on the other endpoint', () => {
    const [one, two] = [ox(), ox()]
    for (const it of [one, two]) it.meet(his)
    for (const [seconds, level] of [
      [1, 'verified'],
      [2, 'distrusted'],
    ] as const) {
      const [notice, ...more] = one.decide(his, level, seconds).notices
      expect(more).toEqual([])
      if (notice) two.receive(hers, noticeElement(notice, OX), seconds)
      expect(two.keyring().keys).toMatchObject([{ ...his, level }])
    }
  })
})

describe('§5 what waits', () => {
  test('§5.1 survives distrust of the sender, until that is taken back', () => {
    const it = device(A1)
    it.meet(B1, B2)
    it.decide(B1, 'distrusted', 0)
    it.receive(B1, saying({ trust: [B2] }), 1)
    expect(it.level(B2)).toBe('blind')
    it.decide(B1, 'verified', 2)
    expect(it.level(B2)).toBe('verified')
  })

  test('§5.2 for a key that comes later, which then begins with that level', () => {
    const it = a1()
    it.receive(A2, saying({ distrust: [B2] }), 1)
    const step = it.meet(B2)
    expect(step.changed).toEqual([
      { ...B2, protocol: OMEMO, own: false, level: 'distrusted', by: 'trust-message', decidedAt: time(1) },
    ])
  })

  test('in a chain, whatever comes last', () => {
    const it = device(A1)
    const b3: KeyRef = { owner: bob, fingerprint: 'b3' }
    it.receive(B2, saying({ trust: [b3] }), 2)
    it.receive(B1, saying({ trust: [B2] }), 1)
    it.meet(b3, B2, B1)
    expect(it.level(b3)).toBe('blind')
    it.decide(B1, 'verified', 3)
    expect([it.level(B2), it.level(b3)]).toEqual(['verified', 'verified'])
  })

  test('as if it had come in the order of its times: who was distrusted before is not believed', () => {
    const [a4, a5]: KeyRef[] = ['a4', 'a5'].map((fingerprint) => ({ owner: alice, fingerprint }))
    if (!a4 || !a5) throw new Error('unreachable')
    const sent = [
      () => it.receive(A2, saying({ trust: [a4, a5] }), 1),
      () => it.receive(a4, saying({ distrust: [a5] }), 2),
      () => it.receive(a5, saying({ trust: [B1] }), 3),
    ]
    let it = device(A1)
    for (const order of [sent, [...sent].reverse()]) {
      it = device(A1)
      it.meet(A2, a4, a5, B1)
      for (const send of order) send()
      it.decide(A2, 'verified', 4)
      expect([a4, a5, B1].map(it.level)).toEqual(['verified', 'distrusted', 'blind'])
    }
  })

  test('one message may say both of one key: distrust stands', () => {
    const it = a1()
    it.receive(A2, saying({ trust: [B1], distrust: [B1] }), 1)
    expect(it.level(B1)).toBe('distrusted')
  })

  test('a time that is still to come counts as the time of arrival', () => {
    const it = a1()
    const step = receiveTrustMessage(it.keyring(), it.endpoint, {
      message: {
        usage: ATM_NAMESPACE,
        encryption: OMEMO,
        keyOwners: [{ jid: bob, trust: [Uint8Array.of(0xb1)], distrust: [] }],
      },
      sender: A2,
      at: time(1e6),
      now: time(5),
      fingerprintOf: () => B1.fingerprint,
    })
    expect(step.changed).toMatchObject([{ ...B1, decidedAt: time(5) }])
  })

  test('what is no key of the encryption is left out', () => {
    const it = a1()
    const step = receiveTrustMessage(it.keyring(), it.endpoint, {
      message: {
        usage: ATM_NAMESPACE,
        encryption: OMEMO,
        keyOwners: [{ jid: bob, trust: [Uint8Array.of(0xb1)], distrust: [] }],
      },
      sender: A2,
      at: time(1),
      now: late,
      fingerprintOf: () => undefined,
    })
    expect(step).toMatchObject({ changed: [], keyring: it.keyring() })
  })
})

describe('§6.1 confirmation: what a person decided is not taken back', () => {
  test('a distrusted key is contested, and verified when the person agrees', () => {
    const it = a1()
    it.decide(B1, 'distrusted', 1, 'choice')
    const step = it.receive(A2, saying({ trust: [B1] }), 2)
    expect(step.changed).toEqual([])
    expect(step.contested).toMatchObject([
      { key: B1, level: 'verified', by: 'trust-message', at: time(2), sender: A2 },
    ])
    expect(it.level(B1)).toBe('distrusted')
    it.decide(B1, 'verified', 3, 'choice')
    expect(it.level(B1)).toBe('verified')
  })

  test('a scan is contested too', () => {
    const it = a1()
    it.decide(B1, 'distrusted', 1, 'choice')
    const step = it.decide(B1, 'verified', 2, 'scan')
    expect(step).toMatchObject({
      changed: [],
      notices: [],
      contested: [{ key: B1, level: 'verified', by: 'scan' }],
    })
  })

  test('a verified key may be distrusted by any that may speak', () => {
    const it = a1()
    it.decide(B1, 'verified', 1)
    const step = it.receive(A2, saying({ distrust: [B1] }), 2)
    expect(step.contested).toEqual([])
    expect(it.level(B1)).toBe('distrusted')
  })

  test('what is older than the decision of the person changes nothing', () => {
    const it = a1()
    it.decide(B1, 'verified', 3)
    const step = it.receive(A2, saying({ distrust: [B1] }), 2)
    expect(step).toMatchObject({ changed: [], contested: [] })
  })
})

describe('§6.2 TOAKAFA', () => {
  test('new keys are trusted until the first is authenticated, then none is', () => {
    const it = device(A1)
    it.meet(A2, B1, B2)
    expect([it.level(A2), it.level(B1), it.level(B2)]).toEqual(['blind', 'blind', 'blind'])
    const step = it.decide(B1, 'verified', 1)
    expect(step.changed.map(({ level }) => level).sort()).toEqual(['undecided', 'verified'])
    expect([it.level(A2), it.level(B1), it.level(B2)]).toEqual(['blind', 'verified', 'undecided'])
    it.meet({ owner: bob, fingerprint: 'b3' })
    expect(it.level({ owner: bob, fingerprint: 'b3' })).toBe('undecided')
  })

  test('also when a trust message authenticates the first', () => {
    const it = a1()
    it.meet(B2)
    it.receive(A2, saying({ trust: [B1] }), 1)
    expect(it.level(B2)).toBe('undecided')
  })

  test.each([
    ['a person', (it: Device) => it.decide(B1, 'distrusted', 3, 'choice')],
    ['a person who takes it back', (it: Device) => it.decide(B1, 'undecided', 3, 'choice')],
    ['a trust message', (it: Device) => it.receive(A2, saying({ distrust: [B1] }), 3)],
  ])('also when the only one that was authenticated no longer is: %s', (_name, end) => {
    for (const policy of [
      automaticTrustManagement,
      { ...blindTrustBeforeVerification, trustMessages: true },
    ]) {
      const it = device(A1, { policy })
      it.meet(A2, B1)
      it.decide(A2, 'verified', 0)
      it.decide(B1, 'verified', 1)
      end(it)
      expect(it.level(B1)).not.toBe('verified')
      it.meet(B2)
      expect(it.level(B2)).toBe('undecided')
    }
  })

  test('also for what was decided under another policy', () => {
    const before = device(A1, { policy: blindTrustBeforeVerification })
    before.meet(B1, B2)
    before.decide(B1, 'verified', 1)
    const step = meetKey(before.keyring(), a1().endpoint, A2)
    expect(step.changed.map(({ fingerprint, level }) => [fingerprint, level])).toEqual([
      [A2.fingerprint, 'blind'],
      [B2.fingerprint, 'undecided'],
    ])
  })

  test('not what the person trusted without evidence', () => {
    const it = device(A1)
    it.meet(B1)
    it.decide(B2, 'blind', 0, 'choice')
    it.decide(B1, 'verified', 1)
    expect(it.level(B2)).toBe('blind')
  })

  test('not with blind trust before verification, where only new keys are undecided', () => {
    const it = device(A1, { policy: blindTrustBeforeVerification })
    it.meet(B1, B2)
    it.decide(B1, 'verified', 1)
    expect(it.level(B2)).toBe('blind')
    it.meet({ owner: bob, fingerprint: 'b3' })
    expect(it.level({ owner: bob, fingerprint: 'b3' })).toBe('undecided')
  })
})

test('the story of §4: two authentications by hand between Alice’s devices and one with Bob give a complete graph', () => {
  const all = [device(A1), device(A2), device(A3), device(B1)] as const
  const [one, two, three, bobs] = all
  for (const it of all) it.meet(A1, A2, A3, B1)
  let now = 0
  const mutual = (x: typeof one, y: typeof one) => {
    for (const [from, about] of [
      [x, y],
      [y, x],
    ] as const)
      deliver(from, from.decide(about.self, 'verified', ++now).notices, all, now)
  }
  mutual(one, two)
  mutual(one, bobs)
  mutual(two, three)
  for (const it of all)
    for (const other of all) if (it !== other) expect(it.level(other.self)).toBe('verified')
  deliver(one, one.decide(A3, 'distrusted', ++now, 'choice').notices, all, now)
  expect([one, two, bobs].map((it) => it.level(A3))).toEqual(['distrusted', 'distrusted', 'distrusted'])
  // A thief who has A3 is not believed any longer.
  deliver(three, three.decide({ owner: alice, fingerprint: 'ee' }, 'verified', ++now).notices, all, now)
  for (const it of [one, two, bobs]) {
    it.meet({ owner: alice, fingerprint: 'ee' })
    expect(it.level({ owner: alice, fingerprint: 'ee' })).toBe('undecided')
  }
})

describe('meetKey', () => {
  test('a key that is known keeps its level and gets a new label', () => {
    const it = a1()
    const known = it.keyring()
    expect(it.meet(A2)).toMatchObject({ changed: [], keyring: known })
    const step = meetKey(known, it.endpoint, { ...A2, label: 'phone' })
    expect(step.changed).toMatchObject([{ ...A2, level: 'verified', label: 'phone' }])
    expect(meetKey(step.keyring, it.endpoint, A2).changed).toEqual([])
  })

  test('the key of this endpoint is not taken in', () => {
    expect(a1().meet(A1).changed).toEqual([])
  })

  test('own and others are told apart', () => {
    const own = a1()
      .keyring()
      .keys.map((key) => [key.owner, key.own])
    expect(own).toEqual([
      [alice, true],
      [alice, true],
      [bob, false],
    ])
  })
})

describe('mistakes of the caller', () => {
  const wrong: readonly [string, KeyRef][] = [
    ['a fingerprint with spaces', { owner: bob, fingerprint: 'ab cd' }],
    ['a fingerprint in upper case', { owner: bob, fingerprint: 'AB' }],
    ['a fingerprint of both cases', { owner: bob, fingerprint: 'aB' }],
    ['a fingerprint of an odd number of digits', { owner: bob, fingerprint: 'abc' }],
    ['a fingerprint of 65 bytes', { owner: bob, fingerprint: 'ab'.repeat(65) }],
    ['no fingerprint', { owner: bob, fingerprint: '' }],
    ['an owner that is not canonical', { owner: 'Bob@example.com' as typeof bob, fingerprint: 'ab' }],
    ['an owner with a resource', { owner: 'bob@example.com/x' as typeof bob, fingerprint: 'ab' }],
  ]
  test.each(wrong)('%s', (_name, key) => {
    const it = a1()
    expect(() => it.meet(key)).toThrow(RangeError)
    expect(() => it.decide(key, 'verified', 1)).toThrow(RangeError)
    expect(() => it.receive(key, saying({ trust: [B1] }), 1)).toThrow(RangeError)
  })

  test('the rest', () => {
    const it = a1()
    const before = it.keyring()
    expect(() => it.decide(A1, 'distrusted', 1)).toThrow(RangeError)
    expect(() => it.decide(B1, 'verified', 1, 'trust-message')).toThrow(RangeError)
    expect(() => it.decide(B1, 'verified', Number.NaN)).toThrow(RangeError)
    expect(() => it.receive(A2, saying({ trust: [B1] }), Number.NaN)).toThrow(RangeError)
    expect(() => it.decide(B1, 'trusted' as 'verified', 1)).toThrow(TypeError)
    const policy = { ...it.endpoint.policy, first: () => 'trusted' as 'verified' }
    expect(() => meetKey(before, { ...it.endpoint, policy }, B2)).toThrow(TypeError)
    const endpoint = { ...it.endpoint, fingerprint: A1.fingerprint.toUpperCase() }
    expect(() => meetKey(before, endpoint, B2)).toThrow(RangeError)
    const upper = { fingerprintOf: () => B1.fingerprint.toUpperCase() }
    const message = trustMessage.decode(saying({ trust: [B1] }))
    const received = { message, sender: A2, at: time(1), now: late, ...upper }
    expect(() => receiveTrustMessage(before, it.endpoint, received)).toThrow(/lower case/)
    expect(it.keyring()).toBe(before)
  })
})
