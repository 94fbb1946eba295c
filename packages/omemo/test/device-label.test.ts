import { utf8ToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { run, runAsync } from '../src/curve.ts'
import { signedLabel, verifiedLabel } from '../src/device-label.ts'
import { generateIdentity, sign } from '../src/identity-key.ts'
import { type Device, deviceLists, MAX_LABEL_LENGTH } from '../src/stanza/device-list.ts'
import { backends } from './node-curve.ts'
import { failure, flipped, seeded } from './support.ts'

const identity = generateIdentity(seeded('label'))
const other = generateIdentity(seeded('another'))

/** As a peer may sign it, without the checks of `signedLabel`. */
const labelled = (label: string): Device => ({
  id: 1,
  label,
  labelSignature: sign(identity, utf8ToBytes(label)),
})
const shown = (device: Device, key = identity) => run(verifiedLabel(key, device))

describe('XEP-0384 §5.3.1: labels', () => {
  test.each(Object.entries(backends))('of ours survive the list and are verified, %s', async (_, curve) => {
    const { namespace, device } = {
      namespace: 'urn:xmpp:omemo:2',
      device: { id: 1, ...signedLabel(identity, 'Phone ✓') },
    } as const
    const [read] = deviceLists[namespace].decode(deviceLists[namespace].encode([device]))
    expect(await runAsync(verifiedLabel(identity, read as Device), curve)).toBe('Phone ✓')
  })

  test('are shown only when the identity key of the device signed them', () => {
    const good = labelled('Phone')
    expect(shown(good)).toBe('Phone')
    expect(shown(good, other)).toBeUndefined()
    expect(shown({ ...good, label: 'Phome' })).toBeUndefined()
    const labelSignature = Uint8Array.from(flipped(good.labelSignature ?? new Uint8Array(), 63, 7))
    expect(shown({ ...good, labelSignature })).toBeUndefined()
    expect(shown({ id: 1, label: 'Phone' })).toBeUndefined()
    expect(shown({ id: 1 })).toBeUndefined()
  })

  // The neutral element verifies what nobody signed: r = 1, S = 0. Backends accept it.
  test('a key of small order signs no label', () => {
    const edwards = Uint8Array.of(1, ...new Uint8Array(31))
    const forged = { id: 1, label: 'Phone', labelSignature: Uint8Array.of(...edwards, ...new Uint8Array(32)) }
    expect(failure(() => shown(forged, { ...identity, edwards })).code).toBe('key-invalid')
  })

  test('the signature covers UTF-8', () => {
    expect(signedLabel(identity, 'é✓').labelSignature).toEqual(
      sign(identity, Uint8Array.of(0xc3, 0xa9, 0xe2, 0x9c, 0x93)),
    )
  })

  test('are at most MAX_LABEL_LENGTH code points', () => {
    const full = '📱'.repeat(MAX_LABEL_LENGTH)
    expect(signedLabel(identity, full)).toMatchObject({ label: full })
    expect(() => signedLabel(identity, `${full}x`)).toThrow(RangeError)
    expect(shown(labelled(full))).toBe(full)
    expect(shown(labelled(`${full}x`))).toBe(full)
  })

  test.each([
    ['abc\u202edef\u2066\u200f', 'abcdef'],
    ['a\u0000b\u0007c\u001b[31m\u009f', 'abc[31m'],
    ['two\r\nlines\u2028and\u2029more', 'twolinesandmore'],
    ['\ufeffzero\u200bwidth\u00ad', 'zerowidth'],
    ['family 👨\u200d👩', 'family 👨\u200d👩'],
    ['  spaces  ', 'spaces'],
    ['a\u3164b', 'a\u3164b'],
    ['⠃⠗⠇', '⠃⠗⠇'],
  ])('%j is shown as %j', (label, plain) => {
    expect(shown(labelled(label))).toBe(plain)
  })

  test.each([
    '',
    ' \u3000',
    '\u202e \u200b',
    '\u3164',
    '\u2800\u2800',
    '\u115f',
    '\u1160 \u1160',
    '\uffa0',
    '\u200d',
    '\ufe0f',
  ])('%j shows nothing, so it is neither shown nor signed', (label) => {
    expect(shown(labelled(label))).toBeUndefined()
    expect(() => signedLabel(identity, label)).toThrow(RangeError)
  })

  test('what is cut off does not count as shown', () => {
    expect(shown(labelled(`${'\u3164'.repeat(MAX_LABEL_LENGTH)}x`))).toBeUndefined()
  })
})

describe('XEP-0384 §4.2: one identity key signs labels and prekeys', () => {
  test.each([
    ['x'.repeat(31), true],
    ['x'.repeat(32), false],
    ['x'.repeat(33), true],
    ['é'.repeat(16), false],
    ['📱'.repeat(8), false],
    [`\u0005${'x'.repeat(31)}`, false],
    [`\u0005${'x'.repeat(32)}`, false],
    [`\u0005${'x'.repeat(33)}`, true],
  ])('%j is signed: %s', (label, signed) => {
    if (signed) expect(shown({ id: 1, ...signedLabel(identity, label) })).toBe(label.replace('\u0005', ''))
    else expect(() => signedLabel(identity, label)).toThrow(/form of a prekey/)
  })
})
