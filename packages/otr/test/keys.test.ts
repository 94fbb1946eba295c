import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { expect, it } from 'vitest'
import { akeKeys, sessionKeys } from '../src/protocol/keys.ts'
import { group } from './sides.ts'
import vectors from './vectors/key-derivation.json' with { type: 'json' }

// `ours` and `theirs` are both sides' secrets; the keys are those of `ours`.
it.each(vectors.cases)('Computing the keys: $want', (row) => {
  const [x, y] = [hexToBytes(row.x), hexToBytes(row.y)]
  const [ours, theirs] = [group.powerOfG(x), group.powerOfG(y)]
  const secret = group.sharedSecret(x, theirs)
  expect(secret).toStrictEqual(group.sharedSecret(y, ours))
  expect(secret.length).toBe(4 + row.slen)
  expect(ours > theirs ? 'high' : 'low').toBe(row.end)
  const keys = sessionKeys(secret, ours > theirs ? 'high' : 'low')
  expect(bytesToHex(keys.sendingCipher)).toBe(row.sendAES)
  expect(bytesToHex(keys.sendingMac)).toBe(row.sendMAC)
  expect(bytesToHex(keys.receivingCipher)).toBe(row.recvAES)
  expect(bytesToHex(keys.receivingMac)).toBe(row.recvMAC)
  expect(bytesToHex(keys.extra)).toBe(row.extra)
  expect(bytesToHex(akeKeys(secret).ssid)).toBe(row.ssid)
  const mirrored = sessionKeys(secret, ours > theirs ? 'low' : 'high')
  expect(mirrored.sendingCipher).toStrictEqual(keys.receivingCipher)
  expect(mirrored.receivingMac).toStrictEqual(keys.sendingMac)
})
