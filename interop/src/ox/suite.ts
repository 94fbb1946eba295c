/** What our side does with any program that speaks OpenPGP. */
import { publish } from '@xmpp-e2e/disco/pep'
import { element, parse, text } from '@xmpp-e2e/xml'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { backupOf } from './backup.ts'
import { base64, bodyOf, type Contact, content, OX, type OxScene, oxScene } from './scene.ts'
import type { OpenPgpTool, ToolKey } from './tool.ts'

export interface ToolScene<Tool extends OpenPgpTool> {
  readonly tool: Tool
  readonly scene: OxScene
  readonly contact: Contact
  /** The contact's, announced. */
  readonly key: ToolKey
  /** Ours. */
  readonly certificate: Uint8Array
}

const BODY = 'ü ☃ 😀 &amp; <b>\nand more'
const CODE = 'TWNK-KD5Y-MT3T-E1GS-DRDB-KVTW'

/** The program, a contact with a key that it has made, and our façade. */
export function toolScene<Tool extends OpenPgpTool>(start: () => Promise<Tool>): ToolScene<Tool> {
  const found: Partial<{ -readonly [K in keyof ToolScene<Tool>]: ToolScene<Tool>[K] }> = {}
  beforeAll(async () => {
    const [tool, scene] = await Promise.all([start(), oxScene()])
    Object.assign(found, { tool, scene })
    const contact = scene.contact('theirs')
    const key = await tool.generate(`xmpp:${contact.jid}`)
    await contact.announce([key])
    Object.assign(found, { contact, key, certificate: await contact.certificate() })
  })
  afterAll(async () => {
    await found.scene?.close()
    await found.tool?.stop()
  })
  const here = <K extends keyof ToolScene<Tool>>(name: K): ToolScene<Tool>[K] => {
    const value = found[name]
    if (value === undefined) throw new Error(`there is no ${name}`)
    return value as ToolScene<Tool>[K]
  }
  return {
    get tool() {
      return here('tool')
    },
    get scene() {
      return here('scene')
    },
    get contact() {
      return here('contact')
    },
    get key() {
      return here('key')
    },
    get certificate() {
      return here('certificate')
    },
  }
}

/** XEP-0373 §3.1 both ways, and the backup both ways. */
export function roundTrips(all: ToolScene<OpenPgpTool>): void {
  test('<signcrypt/>: it reads ours, and sees that we have signed', async () => {
    const { tool, contact, key, certificate } = all
    const plaintext = await tool.open(await contact.gets(BODY), key, certificate)
    const signcrypt = parse(plaintext)
    expect(signcrypt).toMatchObject({ name: 'signcrypt', ns: OX })
    expect(plaintext).toContain(`<to jid="${contact.jid}"/>`)
    const payload = signcrypt.children.at(-1)
    const body = typeof payload === 'object' ? payload.children[0] : undefined
    expect(typeof body === 'object' && text(body)).toBe(BODY)
  })

  test('<signcrypt/>: we read what it signs and encrypts, and refuse it unsigned', async () => {
    const { tool, contact, key, certificate, scene } = all
    const sent = content('signcrypt', scene.ours, BODY)
    const decrypted = await contact.sends(await tool.encrypt(sent, [certificate], key))
    expect(bodyOf(decrypted)).toBe(BODY)
    expect(decrypted).toMatchObject({
      as: 'signcrypt',
      authenticated: true,
      encrypted: true,
      warnings: [],
      key: { fingerprint: key.fingerprint, level: 'blind' },
    })
    const unsigned = content('signcrypt', scene.ours, 'unsigned')
    expect(await contact.sends(await tool.encrypt(unsigned, [certificate]))).toMatchObject({
      kind: 'unreadable',
      code: 'signature-missing',
    })
  })

  test('<sign/> and <crypt/>: it reads ours, and we read its', async () => {
    const { tool, contact, key, certificate, scene } = all
    const message = element('jabber:client', 'message', { to: contact.jid, type: 'chat' }, [
      element('jabber:client', 'body', {}, BODY),
    ])
    const signed = await scene.ox.sign(message, [contact.jid])
    if (signed.kind !== 'signed') throw new Error(signed.code)
    expect(await tool.open(bytesIn(signed.stanzas[0]), undefined, certificate)).toContain('<sign ')
    const crypted = await scene.during(scene.ox.encryptUnsigned(message, [contact.jid]))
    if (crypted.kind !== 'encrypted') throw new Error(crypted.code)
    expect(await tool.open(bytesIn(crypted.stanzas[0]), key, undefined)).toContain('<crypt ')

    const sign = await contact.sends(await tool.sign(content('sign', scene.ours, BODY), key))
    expect([bodyOf(sign), sign]).toMatchObject([BODY, { as: 'sign', authenticated: true, encrypted: false }])
    const crypt = await contact.sends(await tool.encrypt(content('crypt', scene.ours, BODY), [certificate]))
    expect([bodyOf(crypt), crypt]).toMatchObject([
      BODY,
      { as: 'crypt', authenticated: false, encrypted: true },
    ])
  })

  test('XEP-0373 §5: we restore a backup that it has made, and it opens ours', async () => {
    const { tool } = all
    const scene = await oxScene({ hasKey: false })
    try {
      const key = await tool.generate(`xmpp:${scene.ours}`)
      const payload = element(OX, 'secretkey', {}, base64(await tool.seal(key.secret, CODE)))
      const own = scene.contact('ours')
      const node = `${OX}:secret-key`
      await scene.during(publish(own.connection, node, { id: 'current', payload }, { access: 'whitelist' }))
      const restored = await scene.during(scene.ox.restoreBackup(CODE))
      expect(restored).toMatchObject([{ fingerprint: key.fingerprint }])
      expect(scene.ox.fingerprint).toBe(key.fingerprint)

      const { code } = await scene.during(scene.ox.createBackup())
      const secrets = await tool.unseal(await scene.during(backupOf(own.connection)), code)
      // What is in it is a key that it can use.
      const sent = await tool.sign('restored', { ...key, secret: secrets })
      expect(await tool.open(sent, undefined, key.certificate)).toBe('restored')
    } finally {
      await scene.close()
    }
  })
}

function bytesIn(stanza: ReturnType<typeof element>): Uint8Array {
  const el = stanza.children.find((each) => typeof each === 'object' && each.ns === OX)
  return new Uint8Array(Buffer.from(typeof el === 'object' ? text(el) : '', 'base64'))
}
