/** The façade and GnuPG 2.2, with either kind of key that it makes. */
import { describe, expect, test } from 'vitest'
import { Gpg } from '../src/ox/gpg.ts'
import { bodyOf, content } from '../src/ox/scene.ts'
import { roundTrips, toolScene } from '../src/ox/suite.ts'

describe('RSA', () => {
  roundTrips(toolScene(() => Gpg.start('default')))
})

describe('Ed25519', () => {
  const all = toolScene(() => Gpg.start())
  roundTrips(all)

  const signcrypt = (body: string) => content('signcrypt', all.scene.ours, body)

  test.each([
    ['zip', ['--compress-algo', 'zip']],
    ['zlib', ['--compress-algo', 'zlib']],
    ['bzip2', ['--compress-algo', 'bzip2']],
    ['nothing', ['--compress-algo', 'none']],
    ['3DES', ['--cipher-algo', '3DES']],
    ['CAST5', ['--cipher-algo', 'CAST5']],
    ['SHA-256', ['--digest-algo', 'SHA256']],
    ['armor', ['--armor']],
  ])('compressed or encrypted otherwise is read: %s', async (name, options) => {
    const { tool, contact, key, certificate } = all
    const message = await tool.encrypt(signcrypt(name), [certificate], key, { options })
    if (name !== 'armor') expect(bodyOf(await contact.sends(message))).toBe(name)
    else expect(await contact.sends(message)).toMatchObject({ code: 'message-malformed' })
  })

  test('for a key that it does not name is read', async () => {
    const { tool, contact, key, certificate } = all
    const message = await tool.encrypt(signcrypt('hidden'), [certificate], key, { hidden: true })
    expect(bodyOf(await contact.sends(message))).toBe('hidden')
    const other = await tool.generate('xmpp:other@example.org')
    const both = await tool.encrypt(signcrypt('both'), [other.certificate, certificate], key, {
      hidden: true,
    })
    expect(bodyOf(await contact.sends(both))).toBe('both')
    const lost = await tool.encrypt(signcrypt('lost'), [other.certificate], key, { hidden: true })
    expect(await contact.sends(lost)).toMatchObject({ kind: 'unreadable', code: 'not-for-us' })
  })

  test.each([
    ['without integrity protection', ['--rfc2440', '--cipher-algo', 'AES256'], 'message-damaged'],
    // Our keys say what they want, and openpgp insists.
    ['encrypted by AES-192', ['--cipher-algo', 'AES192'], 'algorithm-refused'],
    ['signed over SHA-1', ['--digest-algo', 'SHA1'], 'algorithm-refused'],
  ])('what is %s is refused', async (name, options, code) => {
    const { tool, contact, key, certificate } = all
    const message = await tool.encrypt(signcrypt(name), [certificate], key, { options })
    expect(await contact.sends(message)).toMatchObject({ kind: 'unreadable', code })
  })

  test('signed by somebody else, for somebody else, and changed on the way is refused', async () => {
    const { tool, contact, key, certificate, scene } = all
    const other = await tool.generate(`xmpp:${contact.jid}`)
    const byOther = await tool.encrypt(signcrypt('other'), [certificate], other)
    expect(await contact.sends(byOther)).toMatchObject({ kind: 'unreadable', code: 'signer-unknown' })
    const forOther = await tool.encrypt(content('signcrypt', contact.jid, 'other'), [certificate], key)
    expect(await contact.sends(forOther)).toMatchObject({ kind: 'unreadable', code: 'addressee-wrong' })
    const message = Uint8Array.from(await tool.encrypt(signcrypt('changed'), [certificate], key))
    message[message.length - 30] = (message[message.length - 30] ?? 0) ^ 1
    expect(await contact.sends(message)).toMatchObject({ kind: 'unreadable', code: 'message-damaged' })
    expect(scene.events.map(({ kind }) => kind)).not.toContain('background-failed')
  })
})
