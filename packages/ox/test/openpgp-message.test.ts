import { bareJid } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { belongsTo, readCertificate } from '../src/openpgp/certificate.ts'
import { crypt, openMessage, sign, signcrypt } from '../src/openpgp/message.ts'
import { generateSecretKey, readSecretKeys } from '../src/openpgp/secret-key.ts'
import { utf8 } from '../src/utf8.ts'

const now = Date.UTC(2026, 0, 1)
const jid = (text: string) => bareJid.decode(text)!
const live = { now, isArchived: false }

describe('thin path', () => {
  test('signcrypt, sign, crypt', async () => {
    const romeo = await generateSecretKey(jid('romeo@montague.lit'), now)
    const juliet = await generateSecretKey(jid('juliet@capulet.lit'), now)
    const cert = await readCertificate(romeo.certificate.bytes, romeo.certificate.fingerprint, now)
    expect(cert).toMatchObject({
      userIds: ['xmpp:romeo@montague.lit'],
      problem: undefined,
      revoked: undefined,
      expires: undefined,
    })
    expect(belongsTo(cert, jid('romeo@montague.lit'))).toBe(true)
    const bytes = await signcrypt(utf8('hi'), romeo, [juliet.certificate, romeo.certificate], now)
    const opened = await openMessage(bytes, [juliet], [romeo.certificate], live)
    expect(opened).toEqual({
      kind: 'opened',
      encrypted: true,
      plaintext: utf8('hi'),
      signature: { kind: 'valid', fingerprint: cert.fingerprint, signedAt: new Date(now), warnings: [] },
    })
    const signed = await sign(utf8('hi'), romeo, now)
    expect(await openMessage(signed, [juliet], [romeo.certificate], live)).toMatchObject({
      kind: 'opened',
      encrypted: false,
      signature: { kind: 'valid' },
    })
    const crypted = await crypt(utf8('hi'), [juliet.certificate], now)
    expect(await openMessage(crypted, [juliet], [romeo.certificate], live)).toMatchObject({
      kind: 'opened',
      encrypted: true,
      signature: { kind: 'none' },
    })
    expect(await openMessage(crypted, [romeo], [], live)).toEqual({ kind: 'failed', code: 'not-for-us' })
    const [again] = await readSecretKeys(romeo.bytes, now)
    expect(again!.isLocked).toBe(false)
  })
})
