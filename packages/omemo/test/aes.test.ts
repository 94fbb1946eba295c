import { hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { aesCbc, aesGcm } from '../src/aes.ts'

describe('NIST SP 800-38D: AES-GCM', () => {
  // The Galois/Counter Mode of Operation (McGrew, Viega), appendix B, test case 2.
  const key = new Uint8Array(16)
  const iv = new Uint8Array(12)
  const plaintext = new Uint8Array(16)
  const ciphertext = hexToBytes('0388dace60b6a392f328c2b971b2fe78')
  const tag = hexToBytes('ab6e47d42cec13bdf53a67b21257bddf')

  test('test case 2', () => {
    expect(aesGcm.encrypt(key, iv, plaintext)).toEqual({ ciphertext, tag })
    expect(aesGcm.decrypt(key, iv, ciphertext, tag)).toEqual(plaintext)
  })

  test('a tag of another length is never right, also where ciphertext and tag together are', () => {
    const sealed = Uint8Array.from([...ciphertext, ...tag])
    for (const length of [0, 1, 4, 12, 15, 17, 32]) {
      const at = sealed.length - length
      expect(aesGcm.decrypt(key, iv, sealed.slice(0, at), sealed.slice(at))).toBeUndefined()
    }
  })
})

describe('NIST SP 800-38A: AES-CBC', () => {
  // F.2.5, first block; the second holds the padding of a whole block.
  const key = hexToBytes('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4')
  const iv = hexToBytes('000102030405060708090a0b0c0d0e0f')
  const plaintext = hexToBytes('6bc1bee22e409f96e93d7e117393172a')

  test('F.2.5', () => {
    const ciphertext = aesCbc.encrypt(key, iv, plaintext)
    expect(ciphertext.length).toBe(32)
    expect(ciphertext.slice(0, 16)).toEqual(hexToBytes('f58c4c04d6e5f1ba779eabfb5f7bfbd6'))
    expect(aesCbc.decrypt(key, iv, ciphertext)).toEqual(plaintext)
  })

  test.each([0, 8, 15, 17])('%i bytes are no ciphertext', (length) => {
    expect(aesCbc.decrypt(key, iv, new Uint8Array(length))).toBeUndefined()
  })
})

test.each([0, 15, 17, 31, 33])('a key of %i bytes is a mistake of the caller', (length) => {
  const key = new Uint8Array(length)
  expect(() => aesCbc.decrypt(key, new Uint8Array(16), new Uint8Array(16))).toThrow(RangeError)
  expect(() => aesGcm.decrypt(key, new Uint8Array(12), new Uint8Array(16), new Uint8Array(16))).toThrow(
    RangeError,
  )
  expect(() => aesCbc.encrypt(key, new Uint8Array(16), new Uint8Array(16))).toThrow(RangeError)
  expect(() => aesGcm.encrypt(key, new Uint8Array(12), new Uint8Array(16))).toThrow(RangeError)
})
