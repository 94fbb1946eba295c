/** Secret keys of the account: made, unlocked, taken in, given away, revoked. */
import { memoryStore } from '@xmpp-e2e/store'
import { decryptKey, generateKey as generate, type PrivateKey, readKey, readPrivateKey } from 'openpgp'
import { describe, expect, test } from 'vitest'
import { Ox, type OxOptions } from '../src/index.ts'
import { type ClientOptions, chat, type World, world } from './world.ts'

async function offline(w: World, options: ClientOptions = {}) {
  return w.client('juliet', { isStarted: false, hasKey: false, ...options })
}

/** A client on the same store: another tab, or the same one after a restart. */
function reopened(w: World, store: OxOptions['store'], options: ClientOptions = {}) {
  return offline(w, { ...options, store })
}

async function foreignKey(
  w: World,
  { passphrase, ...options }: Partial<Parameters<typeof generate>[0]> = {},
) {
  return generate({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ name: 'Juliet', email: 'juliet@example.org' }],
    keyExpirationTime: 86_400,
    date: new Date(w.service.clock.now() - 1000),
    ...(passphrase !== undefined && { passphrase }),
    ...options,
    format: 'binary',
  })
}

describe('making', () => {
  test('row 24: a key does not expire, and names the account; the last one made signs', async () => {
    const w = world()
    const { ox, account } = await offline(w)
    expect(ox.fingerprint).toBeUndefined()
    expect(ox.uri).toBeUndefined()
    const first = await w.finish(ox.generate())
    const second = await w.finish(ox.generate())
    expect(ox.fingerprint).toBe(second.fingerprint)
    expect(ox.uri).toContain(second.fingerprint)
    expect(await ox.ownKeys()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ fingerprint: first.fingerprint, expires: undefined, selected: false }),
        expect.objectContaining({ fingerprint: second.fingerprint, expires: undefined, selected: true }),
      ]),
    )
    const key = await readKey({
      binaryKey: await ox.exportSecretKey(first.fingerprint, { unprotected: true }),
    })
    expect(key.getUserIDs()).toEqual([`xmpp:${account}`])
    expect(key.subkeys).toHaveLength(1)
    await ox.select(first.fingerprint)
    expect(ox.fingerprint).toBe(first.fingerprint)
    expect(await reopened(w, memoryStore()).then(({ ox }) => ox.fingerprint)).toBeUndefined()
  })

  test('what is stored is there again', async () => {
    const w = world()
    const { ox, store } = await offline(w)
    const { fingerprint } = await w.finish(ox.generate())
    expect((await reopened(w, store)).ox.fingerprint).toBe(fingerprint)
  })

  test('damaged state is told apart from that of a later version', async () => {
    const w = world()
    const { ox, store, account } = await offline(w)
    const { fingerprint } = await w.finish(ox.generate())
    const put = (name: string, text: string) =>
      store.commit([], { put: [[`ox/${account}/${name}`, new TextEncoder().encode(text)]] })
    const options = {
      account,
      connection: w.service.connect('juliet').connection,
      clock: w.service.clock,
      store,
    }
    const open = () =>
      Ox.open({
        ...options,
        policy: { first: () => 'undecided', maySend: () => true, mayShow: () => true } as never,
      })
    await put('self', `<self xmlns='urn:xmpp-e2e:ox:2'/>`)
    await expect(open()).rejects.toMatchObject({ code: 'state-version-unknown' })
    for (const text of ['', '<self/>', `<self xmlns='urn:xmpp-e2e:ox:1' signing='x'/>`]) {
      await put('self', text)
      await expect(open()).rejects.toMatchObject({ code: 'state-malformed' })
    }
    await put('self', `<self xmlns='urn:xmpp-e2e:ox:1'/>`)
    await put(`own/${fingerprint}`, 'nothing')
    await expect(open()).rejects.toMatchObject({ code: 'state-malformed' })
  })
})

describe('passphrases', () => {
  test('row 35: a locked key is not a missing one, nor a wrong passphrase; unlocked, the same thing succeeds', async () => {
    const w = world()
    const { ox, store } = await offline(w)
    const { fingerprint } = await w.finish(ox.generate({ passphrase: 'right' }))
    const again = await reopened(w, store)
    expect(await again.ox.ownKeys()).toMatchObject([{ fingerprint, locked: true }])
    const note = () => again.ox.sign(chat(again.account, 'note'), [again.account])
    expect(await w.finish(note())).toMatchObject({ kind: 'refused', code: 'key-locked' })
    await expect(again.ox.exportSecretKey(fingerprint, { unprotected: true })).rejects.toMatchObject({
      code: 'key-locked',
    })
    await expect(again.ox.exportSecretKey('0'.repeat(40), { unprotected: true })).rejects.toMatchObject({
      code: 'key-missing',
    })
    expect(await again.ox.unlock('wrong')).toEqual([])
    expect(await w.finish(note())).toMatchObject({ kind: 'refused', code: 'key-locked' })
    expect(await again.ox.unlock('right')).toEqual([fingerprint])
    expect(await w.finish(note())).toMatchObject({ kind: 'signed' })
    again.ox.lock()
    expect(await w.finish(note())).toMatchObject({ kind: 'refused', code: 'key-locked' })
    const none = await offline(world())
    expect(await none.ox.sign(chat(none.account, 'note'), [none.account])).toMatchObject({
      code: 'key-missing',
    })
  })

  test('the host is asked once at a time, and its answer is kept until the key is locked', async () => {
    const w = world()
    const { ox, store } = await offline(w)
    const { fingerprint } = await w.finish(ox.generate({ passphrase: 'right' }))
    const asked: string[] = []
    const answers = [undefined, 'wrong', 'right', 'right']
    const again = await reopened(w, store, {
      unlock: async (of) => {
        asked.push(of)
        return answers[asked.length - 1]
      },
    })
    const note = () => again.ox.sign(chat(again.account, 'note'), [again.account])
    for (const kind of ['refused', 'refused', 'signed', 'signed'])
      for (const one of await w.finish(Promise.all([note(), note(), note()]))) expect(one.kind).toBe(kind)
    expect(asked).toEqual([fingerprint, fingerprint, fingerprint])
    again.ox.lock()
    expect(await w.finish(note())).toMatchObject({ kind: 'signed' })
    expect(asked).toHaveLength(4)
  })

  test('all keys get another passphrase in one commit, or none does', async () => {
    const w = world()
    const { ox, store } = await offline(w)
    const one = await w.finish(ox.generate({ passphrase: 'old' }))
    const other = await w.finish(ox.generate())
    let commits = 0
    const counting = {
      ...store,
      list: store.list,
      read: store.read,
      commit: (...args: Parameters<typeof store.commit>) => {
        commits++
        return store.commit(...args)
      },
    }
    const again = await reopened(w, counting)
    commits = 0
    await expect(again.ox.setPassphrase('new')).rejects.toMatchObject({ code: 'key-locked' })
    expect(commits).toBe(0)
    await again.ox.unlock('old')
    await again.ox.setPassphrase('new')
    expect(commits).toBe(1)
    // Who has just set it need not say it again.
    expect((await again.ox.ownKeys()).map(({ locked }) => locked)).toEqual([false, false])
    const third = await reopened(w, store)
    expect((await third.ox.ownKeys()).map(({ locked }) => locked)).toEqual([true, true])
    expect(await third.ox.unlock('old')).toEqual([])
    expect([...(await third.ox.unlock('new'))].sort()).toEqual([one.fingerprint, other.fingerprint].sort())
    await third.ox.setPassphrase(undefined)
    const fourth = await reopened(w, store)
    expect((await fourth.ox.ownKeys()).map(({ locked }) => locked)).toEqual([false, false])
  })

  test('a revocation in one tab is not lost by another passphrase in the other', async () => {
    const w = world()
    const { ox, store } = await offline(w)
    const { fingerprint } = await w.finish(ox.generate())
    let isFirst = true
    const again = await reopened(w, {
      ...store,
      async commit(...args) {
        if (isFirst) await ox.revoke(fingerprint, 'retired')
        isFirst = false
        return store.commit(...args)
      },
    })
    await w.finish(again.ox.setPassphrase('new'))
    const third = await reopened(w, store)
    expect(await third.ox.ownKeys()).toMatchObject([{ fingerprint, revoked: true, locked: true }])
  })

  test('nothing secret is in errors', async () => {
    const w = world()
    const { ox } = await offline(w)
    const { privateKey } = await foreignKey(w, { passphrase: 'the secret' })
    const error = await ox
      .importSecretKeys(privateKey, { passphrase: 'my guess' })
      .catch((one: unknown) => one)
    expect(error).toMatchObject({ code: 'passphrase-wrong' })
    expect(`${error}${(error as Error).stack}`).not.toContain('my guess')
  })
})

describe('taking in and giving away', () => {
  test('row 24: a key of another program is named after the account, does not expire, and keeps its passphrase', async () => {
    const w = world()
    const { ox, account, store } = await offline(w)
    const { privateKey } = await foreignKey(w, { passphrase: 'theirs' })
    await expect(ox.importSecretKeys(privateKey)).rejects.toMatchObject({ code: 'key-locked' })
    const [key] = await w.finish(ox.importSecretKeys(privateKey, { passphrase: 'theirs' }))
    expect(key).toMatchObject({ expires: undefined, locked: false, selected: true })
    const again = await reopened(w, store)
    expect(await again.ox.ownKeys()).toMatchObject([{ locked: true }])
    expect(await again.ox.unlock('theirs')).toEqual([key?.fingerprint])
    const exported = await readKey({
      binaryKey: await ox.exportSecretKey(ox.fingerprint ?? '', { unprotected: true }),
    })
    const names = await Promise.all(
      exported.users.map(async (user) => [
        user.userID?.userID,
        await user.verify(new Date(w.service.clock.now())),
      ]),
    )
    expect(names).toContainEqual([`xmpp:${account}`, true])
  })

  test('what is exported is under the passphrase that was given, and can be taken in', async () => {
    const w = world()
    const { ox } = await offline(w)
    const { fingerprint } = await w.finish(ox.generate())
    const bytes = await ox.exportSecretKey(fingerprint, { passphrase: 'for export' })
    const locked = await readPrivateKey({ binaryKey: bytes })
    expect(locked.isDecrypted()).toBe(false)
    expect((await decryptKey({ privateKey: locked, passphrase: 'for export' })).getFingerprint()).toBe(
      fingerprint,
    )
    const other = await offline(world())
    const [taken] = await w.finish(other.ox.importSecretKeys(bytes, { passphrase: 'for export' }))
    expect(taken).toMatchObject({ fingerprint, selected: true })
  })

  test('an older copy of a key that was revoked does not undo that', async () => {
    const w = world()
    const { ox } = await offline(w)
    const { fingerprint } = await w.finish(ox.generate())
    const copy = await ox.exportSecretKey(fingerprint, { unprotected: true })
    await ox.revoke(fingerprint, 'retired')
    expect(await w.finish(ox.importSecretKeys(copy))).toMatchObject([{ fingerprint, revoked: true }])
    expect(ox.fingerprint).toBeUndefined()
  })

  test('a key of an algorithm that is refused is kept for reading, and does not sign', async () => {
    const w = world()
    const { ox } = await offline(w)
    const weak = await foreignKey(w, { type: 'rsa', rsaBits: 1024, config: { minRSABits: 1024 } })
    expect(await w.finish(ox.importSecretKeys(weak.privateKey))).toMatchObject([{ selected: false }])
    expect(ox.fingerprint).toBeUndefined()
    const [good] = await w.finish(ox.importSecretKeys((await foreignKey(w)).privateKey))
    expect(ox.fingerprint).toBe(good?.fingerprint)
  })

  test('of several keys, one whose secret part is of another does not keep the others out', async () => {
    const w = world()
    const { ox } = await offline(w)
    const [one, other, good] = await Promise.all(
      [0, 1, 2].map(async () => readPrivateKey({ binaryKey: (await foreignKey(w)).privateKey })),
    )
    if (one === undefined || other === undefined || good === undefined) throw new Error('none')
    const secretOf = (key: PrivateKey) => key.keyPacket as { privateParams?: unknown }
    secretOf(one).privateParams = secretOf(other).privateParams
    await expect(ox.importSecretKeys(one.write())).rejects.toMatchObject({ code: 'secret-key-malformed' })
    const taken = await w.finish(ox.importSecretKeys(new Uint8Array([...one.write(), ...good.write()])))
    expect(taken).toMatchObject([{ fingerprint: good.getFingerprint(), selected: true }])
  })

  test.each([
    ['nothing', new Uint8Array()],
    ['noise', Uint8Array.of(0xff, 1, 2, 3)],
    ['text', 'my key'],
  ])('%s is no secret key', async (_, data) => {
    const { ox } = await offline(world())
    await expect(ox.importSecretKeys(data)).rejects.toMatchObject({ code: 'secret-key-malformed' })
    expect(await ox.ownKeys()).toEqual([])
  })

  test('a certificate is no secret key', async () => {
    const w = world()
    const { ox } = await offline(w)
    const { publicKey } = await foreignKey(w)
    await expect(ox.importSecretKeys(publicKey)).rejects.toMatchObject({ code: 'secret-key-malformed' })
  })
})

test('a revoked key does not sign; another one does, and it cannot be chosen again', async () => {
  const w = world()
  const { ox, account } = await offline(w)
  const first = await w.finish(ox.generate())
  const second = await w.finish(ox.generate())
  expect(await ox.revoke(second.fingerprint, 'superseded')).toMatchObject({ revoked: true, selected: false })
  expect(ox.fingerprint).toBe(first.fingerprint)
  await expect(ox.select(second.fingerprint)).rejects.toMatchObject({ code: 'key-missing' })
  await expect(ox.select('0'.repeat(40))).rejects.toMatchObject({ code: 'key-missing' })
  await ox.revoke(first.fingerprint, 'compromised')
  expect(await ox.sign(chat(account, 'note'), [account])).toMatchObject({ code: 'key-missing' })
})

test('attack: an empty passphrase protects nothing, and is refused', async () => {
  const w = world()
  const { ox } = await offline(w)
  const empty = /^passphrase: expected/
  await expect(w.finish(ox.generate({ passphrase: '' }))).rejects.toThrow(empty)
  expect(await ox.ownKeys()).toEqual([])
  const { fingerprint } = await w.finish(ox.generate())
  await expect(ox.setPassphrase('')).rejects.toThrow(RangeError)
  await expect(ox.exportSecretKey(fingerprint, { passphrase: '' })).rejects.toThrow(empty)
})

test('attack: erasing loses a race, and a key is being made meanwhile: nothing is left', async () => {
  const w = world()
  const inner = memoryStore()
  let races = 0
  const store: OxOptions['store'] = {
    ...inner,
    read: (names) => inner.read(names),
    list: (prefix) => inner.list(prefix),
    commit: async (tokens, batch) =>
      (batch.delete?.length ?? 0) > 1 && races++ < 3 ? false : inner.commit(tokens, batch),
  }
  const { ox } = await offline(w, { store })
  await w.finish(ox.generate())
  const making = ox.generate().then(
    () => 'made',
    () => 'refused',
  )
  await w.finish(ox.erase({ server: false }))
  await w.finish(making)
  expect((await inner.list('')).entries).toEqual([])
})
