/** XEP-0373 §5: secret keys on the server, under a code. */
import { PepError } from '@xmpp-e2e/disco/pep'
import { type Element, element } from '@xmpp-e2e/xml'
import { createMessage, encrypt, readKey, readPrivateKey } from 'openpgp'
import { describe, expect, test } from 'vitest'
import { encodeSecretKey, SECRET_KEY_NODE } from '../src/elements/key-element.ts'
import { KEY_LIST_NODE } from '../src/elements/key-list.ts'
import { generateSecretKey, revokeSecretKey, type SecretKey } from '../src/openpgp/secret-key.ts'
import { utf8 } from '../src/utf8.ts'
import { listElement, peer, requests } from './keys.ts'
import { type ClientOptions, chat, type World, world } from './world.ts'

const CODE = 'TWNK-KD5Y-MT3T-E1GS-DRDB-KVTW'

function juliet(w: World, options: ClientOptions = {}) {
  return w.client('juliet', { hasKey: false, ...options })
}

/** As another program may have written it. */
async function sealed(data: Uint8Array, code = CODE): Promise<Element> {
  const message = await createMessage({ binary: data })
  return encodeSecretKey((await encrypt({ message, passwords: [code], format: 'binary' })) as Uint8Array)
}

function joined(keys: readonly SecretKey[]): Uint8Array {
  return new Uint8Array(keys.flatMap(({ bytes }) => [...bytes]))
}

async function madeKeys(w: World, count: number): Promise<readonly SecretKey[]> {
  const now = w.service.clock.now() - 60_000
  return Promise.all(
    Array.from({ length: count }, (_, i) => generateSecretKey(w.service.account('juliet'), now + 1000 * i)),
  )
}

const fingerprintOf = ({ certificate }: SecretKey) => certificate.fingerprint

describe('§5.4: making a backup', () => {
  test('rows 24, 25: what is restored elsewhere is the same key; the code is made, never chosen', async () => {
    const w = world()
    const first = await juliet(w)
    const { fingerprint } = await w.finish(first.ox.generate())
    expect(await w.finish(first.ox.findBackup())).toBe(false)
    const { code } = await w.finish(first.ox.createBackup())
    expect(code).toMatch(/^[1-9A-NP-Z]{4}(-[1-9A-NP-Z]{4}){5}$/)
    expect(await first.ox.ownKeys()).toMatchObject([{ backedUp: true }])
    const second = await juliet(w)
    expect(await w.finish(second.ox.findBackup())).toBe(true)
    await expect(w.finish(second.ox.restoreBackup(CODE))).rejects.toMatchObject({ code: 'backup-code-wrong' })
    expect(await second.ox.ownKeys()).toEqual([])
    const [key] = await w.finish(second.ox.restoreBackup(` ${code.toLowerCase().replaceAll('-', '')}\n`))
    expect(key).toMatchObject({ fingerprint, expires: undefined, selected: true, backedUp: true })
    const encrypted = await w.finish(first.ox.encrypt(chat(first.account, 'note'), [first.account]))
    expect(encrypted.kind).toBe('encrypted')
  })

  test('nobody else can read it, and a node that others could read is closed before anything is put there', async () => {
    const w = world()
    const other = peer(w, 'juliet')
    await other.put(SECRET_KEY_NODE, element('urn:example', 'nothing'), 'current', 'open')
    const { ox, account } = await juliet(w)
    await w.finish(ox.generate())
    await w.finish(ox.createBackup())
    await expect(peer(w, 'romeo').items(account, SECRET_KEY_NODE)).rejects.toMatchObject({
      code: 'forbidden',
    })
  })

  test('a service that does not keep its word has it taken away again', async () => {
    const w = world()
    const { ox } = await juliet(w)
    await w.finish(ox.generate())
    w.service.fault({
      direction: 'received',
      match: ({ name }) => name === 'iq',
      fault: { kind: 'tamper', change: (stanza) => replaced(stanza, 'whitelist', 'open') },
    })
    await expect(w.finish(ox.createBackup())).rejects.toBeInstanceOf(PepError)
    expect(await peer(w, 'juliet').items(w.service.account('juliet'), SECRET_KEY_NODE)).toEqual([])
    expect(await ox.ownKeys()).toMatchObject([{ backedUp: false }])
  })

  test('a locked key, a missing one, and none at all are told apart; nothing is published', async () => {
    const w = world()
    const { ox, store } = await juliet(w)
    await expect(ox.createBackup()).rejects.toMatchObject({ code: 'key-missing' })
    await w.finish(ox.generate({ passphrase: 'secret' }))
    await expect(ox.createBackup({ keys: ['0'.repeat(40)] })).rejects.toMatchObject({ code: 'key-missing' })
    const again = await juliet(w, { store })
    await expect(again.ox.createBackup()).rejects.toMatchObject({ code: 'key-locked' })
    expect(requests(w, 'juliet', w.service.account('juliet'))).not.toContain(`publish ${SECRET_KEY_NODE}`)
    await again.ox.unlock('secret')
    await w.finish(again.ox.createBackup())
  })

  test('row 24: what is in it is under no passphrase of its own', async () => {
    const w = world()
    const first = await juliet(w)
    await w.finish(first.ox.generate({ passphrase: 'secret' }))
    const { code } = await w.finish(first.ox.createBackup())
    const second = await juliet(w)
    expect(await w.finish(second.ox.restoreBackup(code))).toMatchObject([{ locked: false }])
  })

  test('a key that is newer than the backup makes it stale, until there is another one', async () => {
    const w = world()
    const { ox, events } = await juliet(w)
    await w.finish(ox.generate())
    expect(events).not.toContainEqual({ kind: 'backup-stale' })
    await w.finish(ox.createBackup())
    await w.finish(ox.generate())
    expect(events.filter(({ kind }) => kind === 'backup-stale')).toHaveLength(1)
    await w.finish(ox.createBackup())
    expect((await ox.ownKeys()).every(({ backedUp }) => backedUp)).toBe(true)
    await w.finish(ox.setPassphrase('secret'))
    await w.finish(ox.deleteBackup())
    await w.finish(ox.generate())
    expect(events.filter(({ kind }) => kind === 'backup-stale')).toHaveLength(1)
  })

  test('a key that the restored backup does not hold makes it stale', async () => {
    const w = world()
    const first = await juliet(w)
    await w.finish(first.ox.generate())
    const { code } = await w.finish(first.ox.createBackup())
    const second = await juliet(w)
    await w.finish(second.ox.generate())
    await w.finish(second.ox.restoreBackup(code))
    expect(second.events).toContainEqual({ kind: 'backup-stale' })
    expect((await second.ox.ownKeys()).map(({ backedUp }) => backedUp).sort()).toEqual([false, true])
  })

  test('deleted, it is gone; and deleting what is not there is no error', async () => {
    const w = world()
    const { ox } = await juliet(w)
    await w.finish(ox.generate())
    await w.finish(ox.createBackup())
    await w.finish(ox.deleteBackup())
    await w.finish(ox.deleteBackup())
    expect(await w.finish(ox.findBackup())).toBe(false)
    expect(await ox.ownKeys()).toMatchObject([{ backedUp: false }])
    await expect(w.finish(ox.restoreBackup(CODE))).rejects.toMatchObject({ code: 'backup-missing' })
  })
})

function replaced(el: Element, from: string, to: string): Element {
  const children = el.children.map((node) => {
    if (typeof node !== 'string') return replaced(node, from, to)
    return node === from ? to : node
  })
  return element(el.ns, el.name, el.attrs, children)
}

describe('§5.5: restoring', () => {
  test('row 26: of several keys, the one that the account announces signs, of several such the one announced last; all are there', async () => {
    const w = world()
    const other = peer(w, 'juliet')
    const keys = await madeKeys(w, 4)
    const revoked = await revokeSecretKey(keys[3] as SecretKey, 'retired', w.service.clock.now())
    const all = [...keys.slice(0, 3), revoked]
    await other.put(SECRET_KEY_NODE, await sealed(joined(all)), 'current', 'whitelist')
    const at = (seconds: number) => new Date(w.service.clock.now() + seconds * 1000)
    const entries = [
      ...listElement([fingerprintOf(all[2] as SecretKey)], at(1)).children,
      ...listElement([fingerprintOf(all[1] as SecretKey)], at(2)).children,
      ...listElement([fingerprintOf(revoked)], at(3)).children,
    ]
    await other.put(KEY_LIST_NODE, element('urn:xmpp:openpgp:0', 'public-keys-list', {}, entries))
    const { ox } = await juliet(w)
    const restored = await w.finish(ox.restoreBackup(CODE))
    expect(restored.map(({ fingerprint, selected }) => [fingerprint, selected])).toEqual(
      all.map((key, i) => [fingerprintOf(key), i === 1]),
    )
    expect(ox.fingerprint).toBe(fingerprintOf(all[1] as SecretKey))
  })

  test('row 26: when the list cannot be read, nothing is taken in', async () => {
    const w = world()
    const [key] = await madeKeys(w, 1)
    await peer(w, 'juliet').put(
      SECRET_KEY_NODE,
      await sealed(joined([key as SecretKey])),
      'current',
      'whitelist',
    )
    const { ox } = await juliet(w)
    w.service.fault({
      fault: { kind: 'error', condition: 'internal-server-error' },
      direction: 'sent',
      match: (stanza) => JSON.stringify(stanza).includes(`"${KEY_LIST_NODE}"`),
    })
    await expect(w.finish(ox.restoreBackup(CODE))).rejects.toBeInstanceOf(PepError)
    expect(await ox.ownKeys()).toEqual([])
  })

  test.each([
    ['armored', ({ bytes }: SecretKey) => armored(bytes)],
    [
      'a public block before the private one',
      async ({ bytes, certificate }: SecretKey) =>
        `${(await readKey({ binaryKey: certificate.bytes })).armor()}\n${await armored(bytes)}`,
    ],
  ])('forms that others write: %s', async (_, written) => {
    const w = world()
    const [key] = await madeKeys(w, 1)
    const payload = await sealed(utf8(await written(key as SecretKey)))
    await peer(w, 'juliet').put(SECRET_KEY_NODE, payload, 'some id', 'whitelist')
    const { ox } = await juliet(w)
    expect(await w.finish(ox.restoreBackup(CODE))).toMatchObject([
      { fingerprint: fingerprintOf(key as SecretKey) },
    ])
  })

  test('row 34, row 35: no backup, another code and what is none are told apart, and can be tried again', async () => {
    const w = world()
    const other = peer(w, 'juliet')
    const { ox } = await juliet(w)
    const code = async (payload: Element | undefined, typed = CODE) => {
      if (payload !== undefined) await other.put(SECRET_KEY_NODE, payload, 'current', 'whitelist')
      return w.finish(ox.restoreBackup(typed)).then(
        () => 'restored',
        (error: { readonly code: string }) => error.code,
      )
    }
    const [key] = await madeKeys(w, 1)
    const good = await sealed(joined([key as SecretKey]))
    expect(await code(undefined)).toBe('backup-missing')
    expect(await code(element('urn:example', 'nothing'))).toBe('backup-malformed')
    expect(await code(encodeSecretKey(utf8('no message')))).toBe('backup-malformed')
    expect(await code(await sealed(utf8('no key')))).toBe('secret-key-malformed')
    expect(await code(good, 'AAAA-AAAA-AAAA-AAAA-AAAA-AAAA')).toBe('backup-code-wrong')
    expect(await code(good, '')).toBe('backup-code-wrong')
    expect(await ox.ownKeys()).toEqual([])
    expect(await code(undefined)).toBe('restored')
  })

  test('what is restored is announced as it is, not as it was when the backup was made', async () => {
    const w = world()
    const first = await juliet(w)
    const { fingerprint } = await w.finish(first.ox.generate())
    const { code } = await w.finish(first.ox.createBackup())
    await w.finish(first.ox.revoke(fingerprint, 'compromised'))
    await w.settle()
    await w.finish(first.ox.close())
    const second = await juliet(w)
    await w.finish(second.ox.restoreBackup(code))
    await w.settle()
    await w.finish(second.ox.start())
    expect(await second.ox.ownKeys()).toMatchObject([{ fingerprint, revoked: true }])
  })
})

async function armored(bytes: Uint8Array): Promise<string> {
  return (await readPrivateKey({ binaryKey: bytes })).armor()
}
