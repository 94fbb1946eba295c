import { type Element, element, type Received } from '@xmpp-e2e/xml'
import { beforeAll, describe, expect, test } from 'vitest'
import { RETRY_MS } from '../src/index.ts'
import { TIME_TOLERANCE } from '../src/message/warning.ts'
import { peer } from './keys.ts'
import { type Scene, scene } from './message-scene.ts'
import {
  type Crafted,
  crafted,
  message,
  received,
  secretOf,
  shown,
  summary,
  vouched,
} from './message-support.ts'
import { chat, world } from './world.ts'

const MINUTE = 60_000
const DAY = 86_400_000

let at: Scene
beforeAll(async () => {
  at = await scene()
})

/** From juliet to romeo, unless it says otherwise. */
async function letter(changes: Partial<Crafted> = {}, here: Scene = at): Promise<Element> {
  const { juliet, romeo } = here.keys
  return crafted(here, { by: juliet, for: [romeo.certificate], to: [here.romeo.account], ...changes })
}

function from(sender: string, openpgp: Element, ...beside: readonly Element[]): Received {
  return received(at.romeo.account, message({ from: sender, to: at.romeo.account }, openpgp, ...beside))
}

const read = async (one: Received, here: Scene = at) => here.finish(here.romeo.ox.decrypt(one))

describe('the time that it says', () => {
  const skews = [
    [-TIME_TOLERANCE - 1000, ['time-skew']],
    [-TIME_TOLERANCE, []],
    [0, []],
    [TIME_TOLERANCE, []],
    [TIME_TOLERANCE + 1000, ['time-skew']],
  ] as const

  test.each(skews)('%d milliseconds from now: %j', async (skew, warnings) => {
    const time = new Date(at.service.clock.now() + skew)
    expect(shown(await read(from(at.juliet.account, await letter({ time })))).warnings).toEqual(warnings)
  })

  test.each(skews)('%d milliseconds from when an archive has it: %j', async (skew, warnings) => {
    const now = at.service.clock.now()
    const one = from(at.juliet.account, await letter({ time: new Date(now - 10 * DAY + skew) }))
    for (const channel of ['archive', 'offline', 'carbon'] as const)
      expect(shown(await read(vouched(one, { channel, sentAt: new Date(now - 10 * DAY) }))).warnings).toEqual(
        warnings,
      )
  })

  test('with stamps that nobody can believe, as for what comes now', async () => {
    const one = from(at.juliet.account, await letter({ time: new Date(at.service.clock.now() - DAY) }))
    expect(shown(await read(vouched(one, { channel: 'offline' }))).warnings).toEqual(['time-skew'])
  })
})

describe('row 21: clocks', () => {
  test.each([
    [2 * MINUTE, 'message: Hello.'],
    [59 * MINUTE, 'message: Hello.'],
    [61 * MINUTE, 'signature-from-future: later'],
  ])('signed %d milliseconds from now', async (ahead, summed) => {
    const now = at.service.clock.now()
    expect(summary(await read(from(at.juliet.account, await letter({ at: now + ahead }))))).toBe(summed)
  })

  test('a key that a clock has made that is ahead is encrypted to', async () => {
    const here = world()
    const romeo = await here.client('romeo')
    const early = { ...here.service.clock, now: () => here.service.clock.now() + 2 * MINUTE }
    const juliet = await here.client('juliet', { clock: early })
    const sent = await here.finish(romeo.ox.encrypt(chat(juliet.account, 'Hello.'), [juliet.account]))
    expect(sent).toMatchObject({ kind: 'encrypted', skipped: [] })
  })
})

describe('row 34: what may come right later says so, and what may not is not tried for ever', () => {
  test('an empty payload is no message', async () => {
    expect(summary(await read(from(at.juliet.account, await letter({ payload: [] }))))).toBe(
      'silent: control',
    )
    const delay = element('urn:xmpp:delay', 'delay')
    expect(summary(await read(from(at.juliet.account, await letter({ payload: [delay] }))))).toBe(
      'silent: control',
    )
  })

  test('not for us, and no key at all', async () => {
    const stranger = await letter({ for: [at.keys.stranger.certificate] })
    expect(summary(await read(from(at.juliet.account, stranger)))).toBe('not-for-us: never')
    const here = await world().client('nurse', { hasKey: false, isStarted: false })
    const one = received(here.account, message({ from: at.juliet.account, to: here.account }, stranger))
    expect(summary(await here.ox.decrypt(one))).toBe('key-missing: after-unlock')
  })

  test('row 35: locked, until the passphrase is there; the host is asked for it', async () => {
    const asked: string[] = []
    let answer: string | undefined
    const here = world()
    const juliet = await here.client('juliet')
    const romeo = await here.client('romeo', {
      hasKey: false,
      unlock: async (fingerprint) => {
        asked.push(fingerprint)
        return answer
      },
    })
    const { fingerprint } = await here.finish(romeo.ox.generate({ passphrase: 'Montague' }))
    await here.settle()
    romeo.ox.lock()
    const sent = await here.finish(juliet.ox.encrypt(chat(romeo.account, 'Hello.'), [romeo.account]))
    if (sent.kind !== 'encrypted') throw new Error(sent.code)
    const one = received(
      romeo.account,
      element(
        'jabber:client',
        'message',
        { ...sent.stanzas[0].attrs, from: juliet.account },
        sent.stanzas[0].children,
      ),
    )
    const locked = await here.finish(romeo.ox.decrypt(one))
    expect(locked).toMatchObject({
      code: 'key-locked',
      retry: 'after-unlock',
      detail: { fingerprints: fingerprint },
    })
    answer = 'Capulet'
    expect(summary(await here.finish(romeo.ox.decrypt(one)))).toBe('key-locked: after-unlock')
    expect(asked).toEqual([fingerprint, fingerprint])
    expect((await here.finish(romeo.ox.encrypt(chat(juliet.account, 'No.'), [juliet.account]))).kind).toBe(
      'refused',
    )
    answer = 'Montague'
    expect(summary(await here.finish(romeo.ox.decrypt(one)))).toBe('message: Hello.')
    const times = asked.length
    expect(summary(await here.finish(romeo.ox.decrypt(one)))).toBe('message: Hello.')
    expect(asked).toHaveLength(times)
  })

  test('a key that is announced only now is fetched, once a minute at most', async () => {
    const here = await scene()
    const { juliet, romeo, keys, service } = here
    const asked = () =>
      service.transcript.filter(
        (entry) =>
          entry.kind === 'stanza' &&
          entry.client.startsWith(romeo.account) &&
          entry.direction === 'sent' &&
          entry.stanza.name === 'iq',
      ).length
    const one = from(juliet.account, await letter({ by: keys.stranger }, here))
    await service.advance(RETRY_MS)
    const before = asked()
    expect(summary(await read(one, here))).toBe('signer-unknown: after-refresh')
    const first = asked() - before
    expect(first).toBeGreaterThan(0)
    for (let i = 0; i < 5; i++) expect(summary(await read(one, here))).toBe('signer-unknown: after-refresh')
    expect(asked() - before).toBe(first)
    await peer(here, 'juliet').announce({
      [keys.stranger.certificate.fingerprint]: keys.stranger.certificate.bytes,
    })
    await service.advance(RETRY_MS)
    expect(summary(await read(one, here))).toBe('message: Hello.')
  })

  test('without a network, the sender may yet have signed it', async () => {
    const here = await scene()
    here.romeo.client.lose()
    await here.settle()
    const unknown = from(here.juliet.account, await letter({ by: here.keys.stranger }, here))
    expect(summary(await read(unknown, here))).toBe('keys-unavailable: after-refresh')
    expect(summary(await read(from(here.juliet.account, await letter({}, here)), here))).toBe(
      'message: Hello.',
    )
  })

  test('a server that does not answer', async () => {
    const here = world()
    const juliet = await here.client('juliet')
    const romeo = await here.client('romeo')
    here.service.fault({
      fault: { kind: 'error', condition: 'remote-server-timeout' },
      client: 'romeo',
      direction: 'sent',
      match: ({ name, attrs }) => name === 'iq' && attrs.to === juliet.account,
    })
    const keys = { juliet: await secretOf(here, juliet), romeo: await secretOf(here, romeo) }
    const openpgp = await crafted(here, {
      by: keys.juliet,
      for: [keys.romeo.certificate],
      to: [romeo.account],
    })
    const one = received(romeo.account, message({ from: juliet.account, to: romeo.account }, openpgp))
    expect(summary(await here.finish(romeo.ox.decrypt(one)))).toBe('keys-unavailable: after-refresh')
  })
})

describe('rows 22 and 23: certificates that have changed since', () => {
  test('a key that is no longer listed, and one that is retired', async () => {
    const here = await scene()
    const { juliet, romeo, service } = here
    const one = from(juliet.account, await letter({}, here))
    await service.advance(MINUTE)
    await here.finish(juliet.ox.revoke(juliet.ox.fingerprint ?? '', 'superseded'))
    await here.settle()
    await service.advance(RETRY_MS)
    await here.finish(romeo.ox.certificates(juliet.account, { refresh: true }))
    expect(shown(await read(one, here)).warnings).toContain('certificate-revoked')
    await peer(here, 'juliet', 'other').announce({})
    await here.settle()
    await here.finish(romeo.ox.certificates(juliet.account, { refresh: true }))
    expect(shown(await read(one, here)).warnings).toContain('key-unlisted')
  })

  test('a key that was stolen', async () => {
    const here = await scene()
    const { juliet, romeo, service } = here
    const one = from(juliet.account, await letter({}, here))
    await here.finish(juliet.ox.revoke(juliet.ox.fingerprint ?? '', 'compromised'))
    await here.settle()
    await service.advance(RETRY_MS)
    await here.finish(romeo.ox.certificates(juliet.account, { refresh: true }))
    expect(summary(await read(one, here))).toBe('signature-invalid: never')
  })
})
