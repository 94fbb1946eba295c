/** The classes of the schemes have one shape (README of each). Types are checked by the compiler, with `npm test`. */
import * as omemo from '@xmpp-e2e/omemo'
import * as otr from '@xmpp-e2e/otr'
import * as ox from '@xmpp-e2e/ox'
import type { Key } from '@xmpp-e2e/trust'
import type { BareJid, Element, Received } from '@xmpp-e2e/xml'
import { describe, expect, expectTypeOf, test } from 'vitest'
import type { Decrypted, Encrypted, Scheme } from '../src/family.ts'

type Kind<Union extends { readonly kind: string }, K extends Union['kind']> = Extract<
  Union,
  { readonly kind: K }
>

describe('Omemo, Ox and Otr', () => {
  test('are schemes', () => {
    expectTypeOf<omemo.Omemo>().toExtend<Scheme>()
    expectTypeOf<ox.Ox>().toExtend<Scheme>()
    expectTypeOf<otr.Otr>().toExtend<Scheme>()
    expectTypeOf<omemo.Encrypted | ox.Encrypted | otr.Encrypted>().toExtend<Encrypted>()
    expectTypeOf<omemo.Decrypted | ox.Decrypted | otr.Decrypted>().toExtend<Decrypted>()
    const methods = [
      'start',
      'claims',
      'encrypt',
      'send',
      'decrypt',
      'settle',
      'on',
      'tick',
      'close',
      'erase',
    ]
    for (const { prototype } of [omemo.Omemo, ox.Ox, otr.Otr])
      expect(methods.filter((name) => !Object.hasOwn(prototype, name))).toEqual([])
  })

  test('open by the same options, and import with the same outcomes', () => {
    type Common = Pick<omemo.OmemoOptions, 'account' | 'store' | 'connection' | 'policy' | 'clock' | 'random'>
    expectTypeOf<Common>().toExtend<otr.OtrOptions>()
    expectTypeOf<Common>().toExtend<ox.OxOptions>()
    expectTypeOf<otr.Imported['kind']>().toEqualTypeOf<omemo.Imported['kind']>()
  })

  test('name what they refuse and cannot read, and no more than that', () => {
    expectTypeOf<string>().not.toExtend<omemo.RefusalCode | ox.RefusalCode | otr.RefusalCode>()
    expectTypeOf<string>().not.toExtend<omemo.UnreadableCode | ox.UnreadableCode | otr.UnreadableCode>()
    expectTypeOf<string>().not.toExtend<omemo.WarningCode | ox.WarningCode | otr.WarningCode>()
    expectTypeOf<otr.UnreadableCode & omemo.UnreadableCode>().toEqualTypeOf<
      'session-missing' | 'message-malformed' | 'version-unsupported' | 'key-distrusted'
    >()
    expectTypeOf<otr.WarningCode & omemo.WarningCode & ox.WarningCode>().toEqualTypeOf<'key-undecided'>()
    expectTypeOf<ox.WarningCode & omemo.WarningCode>().toEqualTypeOf<'key-undecided' | 'time-skew'>()
    // A room, and what is too much, is refused by the same codes.
    expectTypeOf<Exclude<ox.RefusalCode, omemo.RefusalCode>>().toEqualTypeOf<'key-missing' | 'key-locked'>()
  })

  test('tell of keys by the same events', () => {
    expectTypeOf<Kind<omemo.OmemoEvent, 'key-met'>>().toExtend<Kind<otr.OtrEvent, 'key-met'>>()
    expectTypeOf<Kind<ox.OxEvent, 'key-met'>>().toExtend<Kind<otr.OtrEvent, 'key-met'>>()
    expectTypeOf<Kind<omemo.OmemoEvent, 'key-changed'>>().toEqualTypeOf<Kind<otr.OtrEvent, 'key-changed'>>()
    expectTypeOf<Kind<ox.OxEvent, 'key-changed'>>().toEqualTypeOf<Kind<otr.OtrEvent, 'key-changed'>>()
    expectTypeOf<Kind<omemo.OmemoEvent, 'key-contested'>>().toEqualTypeOf<
      Kind<otr.OtrEvent, 'key-contested'>
    >()
  })

  test('listen by the same names, where they do', () => {
    type Listener = (arrived: omemo.Arrived | otr.Arrived, received: Received | undefined) => void
    expectTypeOf<Listener>().toExtend<omemo.Handle>()
    expectTypeOf<Listener>().toExtend<otr.Handle>()
    expectTypeOf<otr.ListenOptions>().toEqualTypeOf<omemo.ListenOptions>()
    expectTypeOf<Kind<otr.OtrEvent, 'listener-failed'>>().toExtend<
      Kind<omemo.OmemoEvent, 'listener-failed'>
    >()
    for (const { prototype } of [omemo.Omemo, otr.Otr]) expect(Object.hasOwn(prototype, 'listen')).toBe(true)
  })

  test('are read by one switch, and sent by another', () => {
    const stanza = {} as Element
    expect(shown({ kind: 'plain', stanza, unexpected: true })).toBe('beware')
    expect(shown({ kind: 'silent', why: 'control' })).toBe('')
    expect(shown({ kind: 'unreadable', code: 'session-missing', retry: 'never', detail: {} })).toBe(
      'session-missing',
    )
    expect(sent({ kind: 'refused', code: 'not-encrypted', ask: [] })).toBe('not-encrypted')
    expect(sent({ kind: 'refused', code: 'opted-out', ask: [], skipped: [] })).toBe('opted-out')
    expect(sent({ kind: 'refused', code: 'key-locked', ask: [], skipped: [] })).toBe('key-locked')
  })

  test('differ where their protocols do', () => {
    type Of<D extends omemo.Decrypted | ox.Decrypted | otr.Decrypted> = Kind<D, 'message'>
    // A device has a number, a client of OTR an address.
    expectTypeOf<Of<omemo.Decrypted>['sender']>().toEqualTypeOf<omemo.DeviceRef>()
    expectTypeOf<Of<otr.Decrypted>['sender']>().toEqualTypeOf<{ readonly jid: string }>()
    // All clients of an account share a key of OpenPGP; who wrote what is unsigned, nobody can say.
    expectTypeOf<Of<ox.Decrypted>['sender']>().toEqualTypeOf<{ readonly jid: BareJid } | undefined>()
    expectTypeOf<Of<ox.Decrypted>['key']>().toEqualTypeOf<Key | undefined>()
    expectTypeOf<Of<ox.Decrypted>['authenticated']>().toEqualTypeOf<boolean>()
    expectTypeOf<Of<omemo.Decrypted | otr.Decrypted>['key']>().toEqualTypeOf<Key>()
    expectTypeOf<Of<omemo.Decrypted | otr.Decrypted>['authenticated']>().toEqualTypeOf<true>()
    // There is a key of OpenPGP once a person wants one, or has brought it.
    expectTypeOf<ox.Ox['fingerprint']>().toEqualTypeOf<string | undefined>()
    // Only OTR lives in plain text.
    expectTypeOf<Extract<ox.Decrypted, { readonly kind: 'plain' }>>().toEqualTypeOf<never>()
    expectTypeOf<Kind<otr.Decrypted, 'plain'>['stanza']>().toEqualTypeOf<Element>()
    expectTypeOf<Extract<omemo.Decrypted, { readonly kind: 'plain' }>>().toEqualTypeOf<never>()
    // What OTR could not read is gone.
    expectTypeOf<Kind<otr.Decrypted, 'unreadable'>['retry']>().toEqualTypeOf<'never'>()
    // OTR has one reader, and publishes nothing.
    expectTypeOf<Kind<otr.Encrypted, 'encrypted'>['skipped']>().toEqualTypeOf<readonly never[]>()
    expectTypeOf<ReturnType<otr.Otr['erase']>>().toEqualTypeOf<Promise<{ readonly unlisted: true }>>()
    expectTypeOf<ReturnType<omemo.Omemo['erase']>>().toEqualTypeOf<Promise<{ readonly unlisted: boolean }>>()
    expectTypeOf<ReturnType<ox.Ox['erase']>>().toEqualTypeOf<Promise<{ readonly unlisted: boolean }>>()
  })
})

/** Every kind has its case: with another one in either union, this does not compile. */
function shown(arrived: omemo.Decrypted | ox.Decrypted | otr.Decrypted): string {
  switch (arrived.kind) {
    case 'message':
      expectTypeOf(arrived.key).toEqualTypeOf<Key | undefined>()
      expectTypeOf(arrived.chat).toEqualTypeOf<BareJid>()
      return arrived.warnings.join()
    case 'plain':
      return arrived.unexpected ? 'beware' : ''
    case 'unreadable':
      return arrived.code
    case 'silent':
      return ''
  }
}

function sent(encrypted: omemo.Encrypted | ox.Encrypted | otr.Encrypted): string {
  switch (encrypted.kind) {
    case 'encrypted':
      return [...encrypted.exposed, ...encrypted.withheld].join()
    case 'refused':
      return encrypted.code
  }
}
