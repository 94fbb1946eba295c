import { bareJid, element, elements, parse, serialize } from '@xmpp-e2e/xml'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  backupCodesOf,
  decodeKeyList,
  decodeOpenpgp,
  decodePublicKey,
  decodeSecretKey,
  encodePublicKey,
  encodeSecretKey,
  generateBackupCode,
  hasOpenpgp,
  MAX_MESSAGE_BYTES,
  namesAccount,
  OX_NAMESPACE,
  OxError,
  openpgpElement,
  openpgpOf,
  publicKeyNode,
  userIdsOf,
  withKey,
  withoutKey,
} from '../src/elements.ts'
import vectors from './vectors/key-list.json' with { type: 'json' }

const ours = '1357b01865b2503c18453d208cac2a9678548e35'
const theirs = '67819b343b2ab70ded9320872c6464af2a8e4c02'
const now = new Date('2026-01-01T12:00:00.5Z')
const openpgp = (children: string) => parse(`<openpgp xmlns='${OX_NAMESPACE}'>${children}</openpgp>`)

function codeOf(f: () => unknown): string | undefined {
  try {
    f()
    return undefined
  } catch (error) {
    if (error instanceof OxError) return error.code
    throw error
  }
}

describe('§3.1: <openpgp/>', () => {
  test('what is written is read, wrapped and indented too', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
        const written = openpgpElement(bytes)
        expect([...decodeOpenpgp(written)]).toEqual([...bytes])
        const wrapped = written.children.join('').replace(/.{5}/g, '$&\n    ')
        expect([...decodeOpenpgp(openpgp(`\n${wrapped}\r\n`))]).toEqual([...bytes])
      }),
    )
  })

  test.each(['', '   ', 'AAAAA', 'AA=A', '-----BEGIN PGP MESSAGE-----', 'AA<br/>AA', 'A*AA', 'AB=='])(
    'row 9: %j is refused',
    (children) => {
      expect(codeOf(() => decodeOpenpgp(openpgp(children)))).toBe('message-malformed')
    },
  )

  test('so many bytes, and no more', () => {
    expect(decodeOpenpgp(openpgpElement(new Uint8Array(MAX_MESSAGE_BYTES)))).toHaveLength(MAX_MESSAGE_BYTES)
    const tooMany = openpgpElement(new Uint8Array(MAX_MESSAGE_BYTES + 1))
    expect(codeOf(() => decodeOpenpgp(tooMany))).toBe('message-too-big')
    expect(codeOf(() => decodeOpenpgp(openpgp(`AAAA${' '.repeat(MAX_MESSAGE_BYTES * 3)}`)))).toBe(
      'message-too-big',
    )
  })

  test('of several, none', () => {
    const message = (count: number) =>
      element(
        'jabber:client',
        'message',
        {},
        Array.from({ length: count }, () => openpgpElement(Uint8Array.of(1))),
      )
    expect([0, 1, 2].map((count) => openpgpOf(message(count)) !== undefined)).toEqual([false, true, false])
    expect([0, 1, 2].map((count) => hasOpenpgp(message(count)))).toEqual([false, true, true])
    expect(hasOpenpgp(parse("<message xmlns='jabber:client'><openpgp/></message>"))).toBe(false)
  })
})

describe('§4.1: keys', () => {
  test('what is written is read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
        expect([...decodePublicKey(encodePublicKey(bytes))]).toEqual([...bytes])
        expect([...decodeSecretKey(encodeSecretKey(bytes))]).toEqual([...bytes])
      }),
    )
  })

  test('as others write them: indented, with a date as in older versions, and armored', () => {
    const armored = `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n`
    const xml = `<pubkey xmlns='${OX_NAMESPACE}' date='2020-01-21T10:46:21Z'>\n <data>\n ${btoa(armored)}\n </data>\n</pubkey>`
    expect(String.fromCharCode(...decodePublicKey(parse(xml)))).toBe(armored)
  })

  test.each([
    '<pubkey/>',
    '<pubkey><data/><data/></pubkey>',
    '<pubkey><data>A*AA</data></pubkey>',
    `<pubkey><data xmlns='urn:example'>AAAA</data></pubkey>`,
    '<secretkey>AAAA</secretkey>',
  ])('%s is no key', (xml) => {
    const el = elements(parse(`<x xmlns='${OX_NAMESPACE}'>${xml}</x>`))[0]!
    expect(codeOf(() => decodePublicKey(el))).toBe('certificate-malformed')
  })

  test('§5: nor is one of them a backup', () => {
    expect(codeOf(() => decodeSecretKey(encodePublicKey(Uint8Array.of(1))))).toBe('backup-malformed')
    expect(codeOf(() => decodeSecretKey(parse(`<secretkey xmlns='${OX_NAMESPACE}'>A*</secretkey>`)))).toBe(
      'backup-malformed',
    )
  })

  test('the node is named in upper case', () => {
    expect(publicKeyNode(ours)).toBe(
      'urn:xmpp:openpgp:0:public-keys:1357B01865B2503C18453D208CAC2A9678548E35',
    )
  })
})

describe('§4.2: the list', () => {
  test.each(vectors.cases.filter(({ entries }) => entries !== undefined))('$name', ({ xml, entries }) => {
    const found = decodeKeyList(parse(xml)).entries
    expect(
      found.map(({ fingerprint, advertised, date }) => ({
        fingerprint,
        advertised,
        date: date?.toISOString() ?? null,
      })),
    ).toEqual(entries)
  })

  test.each(vectors.cases.filter(({ entries }) => entries === undefined))('refused: $name', ({ xml }) => {
    expect(codeOf(() => decodeKeyList(parse(xml)))).toBe('key-list-malformed')
  })

  const foreign = `<pubkey-metadata v6-fingerprint='${'AB'.repeat(32)}' date='x' other='y'/><note xmlns='urn:example'>z</note>`
  const list = (children: string) =>
    decodeKeyList(
      parse(`<public-keys-list xmlns='${OX_NAMESPACE}' version='2'>${children}</public-keys-list>`),
    )
  const entry = (fingerprint: string, date = '2018-03-01T15:26:12Z') =>
    `<pubkey-metadata v4-fingerprint='${fingerprint}' date='${date}'/>`

  test('the first key makes it', () => {
    expect(serialize(withKey(undefined, ours, now))).toBe(
      serialize(
        parse(
          `<public-keys-list xmlns='${OX_NAMESPACE}'>${entry(ours.toUpperCase(), '2026-01-01T12:00:00Z')}</public-keys-list>`,
        ),
      ),
    )
  })

  test('row 6: what others have written stays as it was', () => {
    const before = list(`${foreign}${entry(theirs)}`)
    const after = withKey(before, ours, now)
    expect(after.attrs).toEqual(before.element.attrs)
    expect(elements(after).map((el) => serialize(el))).toEqual([
      ...elements(before.element).map((el) => serialize(el)),
      serialize(elements(withKey(undefined, ours, now))[0]!),
    ])
    expect(serialize(withoutKey(decodeKeyList(after), ours))).toBe(serialize(before.element))
  })

  test('an entry is replaced where it stands, in any case, and each time it is there', () => {
    const after = withKey(list(`${entry(ours)}${entry(theirs)}${entry(ours.toUpperCase())}`), ours, now)
    expect(elements(after).map(({ attrs }) => attrs['v4-fingerprint'])).toEqual([ours.toUpperCase(), theirs])
    expect(
      elements(withoutKey(list(`${entry(ours)}${entry(ours.toUpperCase())}${foreign}`), ours)),
    ).toHaveLength(2)
  })

  test('no fingerprint is written twice (MUST NOT), whoever has written it', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.constantFrom(ours, theirs, ours.toUpperCase()),
            fc.constantFrom('2018-03-01T15:26:12Z', '2019-03-01T15:26:12Z', 'x'),
          ),
        ),
        (entries) => {
          const before = list(entries.map(([fingerprint, date]) => entry(fingerprint, date)).join(foreign))
          const after = decodeKeyList(withKey(before, ours, now))
          const metadata = elements(after.element).filter(
            ({ attrs }) => attrs['v4-fingerprint'] !== undefined,
          )
          expect(metadata).toHaveLength(after.entries.length)
          const others = (entries: typeof after.entries) =>
            entries
              .filter(({ fingerprint }) => fingerprint !== ours)
              .map(({ fingerprint, date }) => [fingerprint, date])
          expect(others(after.entries)).toEqual(others(before.entries))
          expect(after.entries.find(({ fingerprint }) => fingerprint === ours)?.date?.toISOString()).toBe(
            '2026-01-01T12:00:00.000Z',
          )
          const kept = (one: typeof after) =>
            elements(one.element).filter(({ attrs }) => attrs['v4-fingerprint'] === undefined).length
          expect(kept(after)).toBe(kept(before))
        },
      ),
    )
  })
})

describe('§5.4: backup codes', () => {
  test('24 of 34 characters, in groups of four', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(255)), (stream) => {
        const code = generateBackupCode((length) => Uint8Array.from({ length }, () => stream.next().value))
        expect(code).toMatch(/^[1-9A-NP-Z]{4}(-[1-9A-NP-Z]{4}){5}$/)
        expect(code).toHaveLength(29)
        expect(backupCodesOf(code)[0]).toBe(code)
      }),
      { numRuns: 50 },
    )
  })

  test('each character as likely as any other: bytes that would favour some are drawn again', () => {
    const counts = new Map<string, number>()
    let next = 0
    // 34 × 256 bytes, each value as often as the other.
    for (let i = 0; i < 340; i++)
      for (const character of generateBackupCode((length) =>
        Uint8Array.from({ length }, () => next++ % 256),
      ).replace(/-/g, ''))
        counts.set(character, (counts.get(character) ?? 0) + 1)
    expect(counts.size).toBe(34)
    const all = [...counts.values()]
    expect(Math.max(...all) - Math.min(...all)).toBeLessThan(24)
  })

  test('what a person may have meant', () => {
    const code = 'TWNK-KD5Y-MT3T-E1GS-DRDB-KVTW'
    for (const typed of [
      code,
      ` ${code}\n`,
      code.toLowerCase(),
      code.replaceAll('-', ''),
      code.replaceAll('-', ' ').toLowerCase(),
    ])
      expect(backupCodesOf(typed)).toContain(code)
    // As it is: other programs let people choose.
    expect(backupCodesOf(' correct  horse ')[0]).toBe(' correct  horse ')
    expect(backupCodesOf(' Correct  Horse ')).toContain('correct horse')
    expect(backupCodesOf(' CAFÉ  ﬁn')).toContain('cafe\u0301 fin')
  })
})

describe('§7.7: user IDs', () => {
  const jid = (text: string) => bareJid.decode(text)!

  test.each([
    ['juliet@example.org', 'xmpp:juliet@example.org', undefined],
    ['example.org', 'xmpp:example.org', undefined],
    ['a.b-c_d~e!f$g(h)i*j+k,l;m=n@example.org', 'xmpp:a.b-c_d~e!f$g(h)i*j+k,l;m=n@example.org', undefined],
    ['a%b@example.org', 'xmpp:a%b@example.org', 'xmpp:a%25b@example.org'],
    [
      'a\\20b{c}|d^e`f#g?h[i]@example.org',
      'xmpp:a\\20b{c}|d^e`f#g?h[i]@example.org',
      'xmpp:a%5C20b%7Bc%7D%7Cd%5Ee%60f%23g%3Fh%5Bi%5D@example.org',
    ],
    ['jülié@exämple.org', 'xmpp:jülié@exämple.org', undefined],
  ])('%s', (account, plain, iri) => {
    expect(userIdsOf(jid(account))).toEqual(iri === undefined ? [plain] : [plain, iri])
    for (const userId of userIdsOf(jid(account))) expect(namesAccount(userId, jid(account))).toBe(true)
  })

  test('both forms of any address name it, and no other', () => {
    const local = fc
      .stringMatching(/^[!#-%(-.0-9;=?A-Z[-~]{1,12}$/)
      .filter((text) => bareJid.decode(`${text}@example.org`) !== undefined)
    fc.assert(
      fc.property(local, local, (one, other) => {
        const [a, b] = [jid(`${one}@example.org`), jid(`${other}@example.org`)]
        for (const userId of userIdsOf(a)) expect(namesAccount(userId, a)).toBe(true)
        fc.pre(!one.includes('%'))
        for (const userId of userIdsOf(a)) expect(namesAccount(userId, b)).toBe(a === b)
      }),
    )
  })

  test.each([
    ['xmpp:Juliet@EXAMPLE.org', true],
    ['XMPP:juliet@example.org', true],
    ['Juliet <xmpp:juliet@example.org>', true],
    ['xmpp:%6Auliet@example.org', true],
    ['juliet@example.org', false],
    ['Juliet <juliet@example.org>', false],
    ['xmpp:juliet@example.org/balcony', false],
    ['xmpp:juliet@example.org?message', false],
    ['xmpp:juliet@example.org <xmpp:romeo@example.org>', false],
    ['xmpp:juliet@example.org, xmpp:romeo@example.org', false],
    ['xmpp:romeo@example.org', false],
    ['xmpp:juliet@example.org.evil', false],
    ['xmpp:%E0%A4%A@example.org', false],
    ['', false],
  ])('row 3: %j names juliet: %s', (userId, names) => {
    expect(namesAccount(userId, jid('juliet@example.org'))).toBe(names)
  })
})
