import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { bare, type Element, elements, equal, parse } from '@xmpp-e2e/xml'
import { describe, expect, test } from 'vitest'
import { axolotlPayload } from '../../src/payload.ts'
import { decodeBody } from '../../src/payload-body.ts'
import { AXOLOTL } from '../../src/protocol.ts'
import { bundles } from '../../src/stanza/bundle.ts'
import { deviceLists } from '../../src/stanza/device-list.ts'
import { encryptedFormats, keysFor } from '../../src/stanza/encrypted.ts'
import { encryptedElements } from '../../src/stanza/message.ts'
import vectors from '../vectors/profanity.json' with { type: 'json' }

const deviceList = deviceLists[AXOLOTL]
const bundle = bundles[AXOLOTL]
const encrypted = encryptedFormats[AXOLOTL]

/** The node, item and payload in a publish request, an event or a result, all of which nest alike. */
function published(stanza: string): { readonly node: string; readonly item: Element; readonly el: Element } {
  const found: Element[] = []
  for (let el: Element | undefined = parse(stanza); el; el = elements(el)[0]) found.push(el)
  const at = found.findIndex(({ name }) => name === 'item')
  return { node: found[at - 1]?.attrs.node ?? '', item: found[at] as Element, el: found[at + 1] as Element }
}

describe('0.3.0 §4: what Profanity publishes and sends', () => {
  test.each(vectors.cases.filter(({ kind }) => kind === 'device-list'))('$name', ({ stanza, expected }) => {
    const { node, el } = published(stanza)
    expect(node).toBe(deviceList.node)
    const devices = deviceList.decode(el)
    expect(devices.map(({ id }) => id)).toEqual(expected?.devices)
    expect(equal(deviceList.encode(devices), el)).toBe(true)
  })

  test.each(vectors.cases.filter(({ kind }) => kind === 'bundle'))(
    '$name',
    ({ stanza, expected, deviceId }) => {
      const { node, item, el } = published(stanza)
      expect({ node, item: item.attrs.id }).toEqual(bundle.location(deviceId ?? 0))
      const read = bundle.decode(el)
      expect(`05${bytesToHex(read.identityKey)}`).toBe(expected?.identityKey)
      expect(read.signedPreKey.id).toBe(expected?.signedPreKeyId)
      expect(`05${bytesToHex(read.signedPreKey.publicKey)}`).toBe(expected?.signedPreKey)
      expect(bytesToHex(read.signedPreKey.signature)).toBe(expected?.signature)
      expect(read.preKeys.map(({ id }) => id)).toEqual(expected?.preKeyIds)
      expect(equal(bundle.encode(read), el)).toBe(true)
    },
  )

  test.each(vectors.cases.filter(({ kind }) => kind === 'message'))(
    '$name',
    ({ stanza, expected, ...row }) => {
      const [found, ...others] = encryptedElements(parse(stanza))
      expect([found?.namespace, others]).toEqual([AXOLOTL, []])
      const read = encrypted.decode(found?.element as Element)
      expect(equal(encrypted.encode(read), found?.element as Element)).toBe(true)
      expect(read.sid).toBe(vectors.accounts[row.sender as 'alice' | 'bob'].deviceId)

      const { jid, deviceId } = vectors.accounts[row.recipient as 'alice' | 'bob']
      const keys = keysFor(read, { jid: bare(jid), deviceId })
      expect(keys.length).toBe(expected?.counters?.length)
      for (const { keyExchange } of keys) expect(keyExchange).toBe(expected?.keyExchange !== null)

      const keyMaterial = hexToBytes(expected?.keyMaterial ?? '')
      const payload = read.payload as Uint8Array
      expect(decodeBody(axolotlPayload.open({ payload, keyMaterial, iv: read.iv }))).toBe(expected?.plaintext)
    },
  )

  test.each(vectors.cases.filter(({ kind }) => kind === 'reflection'))('$name', ({ stanza, recipient }) => {
    const { jid, deviceId } = vectors.accounts[recipient as 'alice' | 'bob']
    const [found] = encryptedElements(parse(stanza))
    const read = encrypted.decode(found?.element as Element)
    expect(read.sid).toBe(deviceId)
    expect(keysFor(read, { jid: bare(jid), deviceId })).toEqual([])
  })
})
