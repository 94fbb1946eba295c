import { type Checks, holds, lists, must, put, rejects, remove, value, write } from './ground.ts'

/** Checks of keys and prefixes. */
export const keyChecks: Checks = {
  async 'keys: answers come in the order asked for'({ store }) {
    await put(store, ['a', value(1)], ['b', value(2)], ['c', value(3)])
    const readings = await store.read(['c', 'nothing', 'a', 'c', 'b'])
    const found = readings.map((reading) => reading.value?.[0] ?? 'absent').join()
    must(found === '3,absent,1,3,2', `read: c, nothing, a, c, b gave ${found}`)
    must(readings[1]!.value === undefined, 'read: an absent key is not undefined')
    must((await store.read([])).length === 0, 'read: answers to no keys')
  },

  async 'keys: those asked for are taken at the call'({ store }) {
    await put(store, ['a', value(1)], ['b', value(2)])
    const asked = ['a', 'b']
    const answer = store.read(asked)
    asked.reverse()
    asked.pop()
    const [a, b] = await answer
    must(a?.value?.[0] === 1 && b?.value?.[0] === 2, 'read: keys that the caller has changed after the call')
    must(await store.commit([a!.token, b!.token], {}), 'tokens just read were refused')
    await put(store, ['b', value(3)])
    must(!(await store.commit([b!.token], {})), 'read: the token of b is one of another key')
  },

  async 'keys: unicode is kept as it is'({ store }) {
    // Composed and decomposed, cases, widths, both directions, beyond the BMP, spaces, quotes, names of Object.
    const names = [
      'é|e\u0301|É|ß|ss|ẞ|İ|i\u0307|Å|\u212b|ａ|a|A|שלום|юлия|👩‍👩‍👧|👩|\u{10ffff}|\uffff|\ue000',
      ' |  |a | a|\u00a0|\u200b|\ufeff',
      '\'|"|\\|\\\\|;--|$1|{}|__proto__|constructor|toString|.|..|/|//',
    ].flatMap((some) => some.split('|'))
    const puts = names.map((name, i) => [name, value(i)] as const)
    await put(store, ...puts)
    for (const [name, expected] of puts) await holds(store, { [`${name}`]: expected }, 'unicode keys')
    await lists(store, '', names)
    await remove(store, 'é')
    await lists(
      store,
      '',
      names.filter((name) => name !== 'é'),
    )
  },

  async 'keys: prefixes are taken literally'({ store }) {
    // What a pattern, a range that ends too early, or a comparison without case would take for a/.
    const inside = [
      'a/',
      'a/\ud7ff',
      'a/\ud7ffx',
      'a/\ue000',
      'a/b',
      'a/%',
      'a/\u{10ffff}',
      'a/\u{10ffff}\u{10ffff}x',
      'a/\uffff',
      'a/\uffff\uffffx',
    ]
    const outside = ['a', 'A/b', 'ab/', 'b/a/', 'a0', 'a.', '%/b', '_/b', 'a\\/b', 'á/b', 'aa/b']
    await put(store, ...[...inside, ...outside].map((key) => [key, value(1)] as const))
    await lists(store, 'a/', inside)
    await lists(store, 'a', [...inside, 'a', 'ab/', 'a0', 'a.', 'a\\/b', 'aa/b'])
    // What comes next would be a surrogate, which is no character of its own.
    await lists(store, 'a/\ud7ff', ['a/\ud7ff', 'a/\ud7ffx'])
    await lists(store, 'a/\uffff', ['a/\uffff', 'a/\uffff\uffffx'])
    await lists(store, 'a/\u{10ffff}', ['a/\u{10ffff}', 'a/\u{10ffff}\u{10ffff}x'])
    await lists(store, 'a\\', ['a\\/b'])
    for (const pattern of ['_', '%', 'a_', '%/b', '_/b'])
      await lists(
        store,
        pattern,
        [...inside, ...outside].filter((key) => key.startsWith(pattern)),
      )
    for (const pattern of ['*', '?', 'a*', '[a]', 'a/?', '.*', '^a', 'nobody'])
      await lists(store, pattern, [])
  },

  async 'keys: two thousand in one commit'({ store, other }) {
    const keys = Array.from({ length: 2000 }, (_, i) => `session/${i}`)
    const absent = await store.read(keys)
    const tokens = absent.map(({ token }) => token)
    const puts = keys.map((key, i) => [key, Uint8Array.of(i >> 8, i)] as const)
    must(await store.commit(tokens, { put: puts }), 'a commit of 2000 keys was refused')
    await holds(other, Object.fromEntries(puts), 'after a commit of 2000 keys')
    const { entries, token } = await store.list('session/')
    must(entries.length === 2000, `list: ${entries.length} of 2000 keys`)
    must(await store.commit([token], { delete: keys }), 'deleting 2000 keys was refused')
    await lists(other, '', [])
  },

  async 'keys: the longest is taken, a longer one is refused'({ store, keyBytes }) {
    // Three bytes each in UTF-8: a limit that counts UTF-16 units, or bytes of something else, shows.
    const longest = '€'.repeat(Math.floor(keyBytes / 3)) + 'x'.repeat(keyBytes % 3)
    await put(store, [longest, value(1)])
    await holds(store, { [longest]: value(1) }, 'the longest key')
    await lists(store, longest, [longest])
    await rejects(store.read([`${longest}x`]), 'RangeError', 'read of a longer key')
    await rejects(store.list(`${longest}x`), 'RangeError', 'list of a longer prefix')
    await rejects(write(store, { put: [[`${longest}x`, value(1)]] }), 'RangeError', 'put of a longer key')
    await rejects(write(store, { delete: [`${longest}x`] }), 'RangeError', 'delete of a longer key')
  },

  async 'keys: what is no key is refused'({ store }) {
    for (const key of ['\0', 'a\nb', '\x7f', '\ud800', 'a\udc00', '\udc00\ud800']) {
      const shown = JSON.stringify(key)
      await rejects(store.read([key]), 'TypeError', `read of ${shown}`)
      await rejects(store.list(key), 'TypeError', `list of ${shown}`)
      await rejects(write(store, { put: [[key, value(1)]] }), 'TypeError', `put of ${shown}`)
      await rejects(write(store, { delete: [key] }), 'TypeError', `delete of ${shown}`)
    }
    await rejects(store.read(['']), 'RangeError', 'read of an empty key')
    await rejects(write(store, { put: [['', value(1)]] }), 'RangeError', 'put of an empty key')
    await lists(store, '', [])
  },
}
