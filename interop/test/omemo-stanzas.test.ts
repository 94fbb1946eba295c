import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshPair, isKeyExchange } from '../src/correspondent.ts'
import { AXOLOTL, OMEMO_2, PythonOmemo } from '../src/python-omemo.ts'

let python: PythonOmemo
beforeAll(async () => {
  python = await PythonOmemo.start()
})
afterAll(() => python.stop())

describe.each([OMEMO_2, AXOLOTL] as const)('%s, empty messages', (namespace) => {
  test('of ours end the key exchanges of python-omemo', async () => {
    const { ours, python: theirs, account, device } = await freshPair(python, namespace)
    for (const body of ['1', '2']) {
      const xml = await theirs.send(body)
      expect(isKeyExchange(xml)).toBe(true)
      expect(await ours.read(xml)).toEqual({ body })
    }
    const session = () => account.session(device.jid, device.deviceId, namespace)
    expect(await session()).toMatchObject({ initiation: 'active', confirmed: false })
    const answers = await ours.answers()
    expect(answers).toHaveLength(1)
    expect(answers[0]).not.toContain('<payload')
    expect(await theirs.read(answers[0]!)).toEqual({ empty: true })
    expect(await session()).toMatchObject({ initiation: 'active', confirmed: true })
    expect(isKeyExchange(await theirs.send('3'))).toBe(false)
  })

  test('of python-omemo end ours', async () => {
    const { ours, python: theirs, device, peer } = await freshPair(python, namespace)
    const xml = await ours.send('1')
    expect(isKeyExchange(xml)).toBe(true)
    expect(await theirs.read(xml)).toEqual({ body: '1' })
    expect(isKeyExchange(await ours.send('2'))).toBe(true)
    expect(device.sessions(peer)?.current.exchange.state).toBe('pending')
    const answers = await theirs.answers()
    expect(answers).toHaveLength(1)
    expect(await ours.read(answers[0]!)).toEqual({ empty: true })
    expect(device.sessions(peer)?.current.exchange.state).toBe('confirmed')
    expect(isKeyExchange(await ours.send('3'))).toBe(false)
  })

  test('of either side can be key exchanges', async () => {
    const { ours, python: theirs, account, peer, device } = await freshPair(python, namespace)
    device.open(peer, (await account.bundle())[namespace].bundle)
    const xml = await ours.sendEmpty()
    expect(isKeyExchange(xml)).toBe(true)
    expect(await theirs.read(xml)).toEqual({ empty: true })
    const [answer] = await theirs.answers()
    expect(await ours.read(answer!)).toEqual({ empty: true })
    // Theirs announces a new session with one.
    expect(await account.replaceSession(device.jid, device.deviceId)).toEqual({})
    const [announcement] = await theirs.answers()
    expect(isKeyExchange(announcement!)).toBe(true)
    expect(await ours.read(announcement!)).toEqual({ empty: true })
    expect(device.sessions(peer)?.archived).toHaveLength(1)
    const [completion] = await ours.answers()
    expect(await theirs.read(completion!)).toEqual({ empty: true })
    expect(await ours.read(await theirs.send('renewed'))).toEqual({ body: 'renewed' })
    expect(await theirs.read(await ours.send('yes'))).toEqual({ body: 'yes' })
  })
})

describe('XEP-0384 0.3.0, 4.6: key transport', () => {
  test('of ours is read by python-omemo', async () => {
    const { ours, account, device, peer } = await freshPair(python, AXOLOTL)
    await ours.send('opens the session')
    const key = Uint8Array.from({ length: 16 }, (_, i) => i)
    const xml = device.transport(peer, key, new Uint8Array(12))
    expect(xml).not.toContain('<payload')
    expect(await account.decrypt(device.jid, xml)).toMatchObject({ kind: 'empty', key })
  })

  test('of python-omemo is read by us', async () => {
    const { account, device } = await freshPair(python, AXOLOTL)
    const { xml, key } = await account.keyTransport(device.jid)
    expect(key).toHaveLength(16)
    expect(device.decrypt(account.jid, AXOLOTL, xml)).toMatchObject({ kind: 'key-transport', key })
  })
})

describe('XEP-0384, 5.3.1: device labels', () => {
  test('cost a device its contacts on python-twomemo 1.0, whose schema knows no labelsig', async () => {
    const { device, account } = await freshPair(python, OMEMO_2)
    expect((await python.versions()).twomemo).toMatch(/^1\.0\./)
    const { devices } = device.published(OMEMO_2, 'Desk')
    expect(devices).toContain('labelsig=')
    await expect(python.put({ jid: device.jid, devices: [devices] })).rejects.toMatchObject({
      code: 'XMLSchemaValidationError',
    })
    expect(await account.devices(device.jid)).toMatchObject([{ deviceId: device.deviceId, label: undefined }])
  })
})
