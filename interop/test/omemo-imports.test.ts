import { importCurve25519 } from '@xmpp-e2e/omemo/primitives'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Correspondent, each, freshJid, isKeyExchange, pairOf, publish } from '../src/correspondent.ts'
import { OwnDevice } from '../src/own-device.ts'
import { AXOLOTL, type Bytes, type Namespace, OMEMO_2, PythonOmemo } from '../src/python-omemo.ts'

/** Imported identities for each sign of the point a·B. */
const IDENTITIES = 200
const NAMESPACES: readonly Namespace[] = [OMEMO_2, AXOLOTL]

/** Order of the base point of Ed25519, RFC 8032, 5.1. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n

let pythons: readonly PythonOmemo[]
beforeAll(async () => {
  pythons = await Promise.all([PythonOmemo.start(), PythonOmemo.start()])
})
afterAll(() => Promise.all(pythons.map((python) => python.stop())))

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

/** The sign bit of a·B: an import negates the scalar where it is 1. */
function signOf(secret: Uint8Array): 0 | 1 {
  const kept = littleEndian(importCurve25519(secret).scalar)
  const given = littleEndian(secret) % L
  if (kept === given) return 0
  expect(kept).toBe(L - given)
  return 1
}

/** Clamped secrets with that sign, as a libsignal store keeps them. Half of what is drawn has it. */
function drawSecrets(sign: 0 | 1): readonly Bytes[] {
  const drawn: Bytes[] = []
  for (let draws = 0; draws < 4 * IDENTITIES && drawn.length < IDENTITIES; draws += 1) {
    const secret = crypto.getRandomValues(new Uint8Array(32))
    secret[0]! &= 0xf8
    secret[31] = (secret[31]! & 0x7f) | 0x40
    if (signOf(secret) === sign) drawn.push(secret)
  }
  expect(drawn).toHaveLength(IDENTITIES)
  return drawn
}

/** A key exchange, its answer, and a message each way after it. @returns the messages that were read */
async function converse(a: Correspondent, b: Correspondent): Promise<number> {
  const first = await a.send('first')
  expect(isKeyExchange(first)).toBe(true)
  expect(await b.read(first)).toEqual({ body: 'first' })
  for (const answer of await b.answers()) expect(await a.read(answer)).toEqual({ empty: true })
  const next = await a.send('next')
  expect(isKeyExchange(next)).toBe(false)
  expect(await b.read(next)).toEqual({ body: 'next' })
  expect(await a.read(await b.send('back'))).toEqual({ body: 'back' })
  return 3
}

describe('imported Curve25519 identities', () => {
  test.each([
    [0, 'kept'],
    [1, 'negated'],
  ] as const)(
    'with sign bit %i, their scalar %s, work in both namespaces',
    { timeout: 900_000 },
    async (sign, _scalar) => {
      const begun = performance.now()
      const secrets = drawSecrets(sign)
      let sessions = 0
      let read = 0
      await each(IDENTITIES, async (index) => {
        const python = pythons[index % pythons.length]!
        const identity = importCurve25519(secrets[index]!)
        const device = new OwnDevice({ jid: freshJid('import'), identity, preKeys: 1 })
        await publish(python, device, NAMESPACES)
        for (const initiator of ['ours', 'python'] as const) {
          const account = await python.account({ jid: freshJid('theirs'), preKeys: 1 })
          for (const namespace of NAMESPACES) {
            const { ours, python: theirs } = pairOf(namespace, device, account)
            const count = await (initiator === 'ours' ? converse(ours, theirs) : converse(theirs, ours))
            read += count
            sessions += 1
          }
          // One key in both namespaces, with the sign bit that our bundles promise.
          const [known] = await account.devices(device.jid)
          expect(known).toMatchObject({ identityKey: identity.edwards, namespaces: [...NAMESPACES].sort() })
          await account.close()
        }
      })
      const took = ((performance.now() - begun) / sessions).toFixed(0)
      console.log(`imported identities, sign bit ${sign}: ${sessions} sessions, ${took} ms a session`)
      expect(sessions).toBe(4 * IDENTITIES)
      expect(read).toBe(3 * 4 * IDENTITIES)
    },
  )
})
