// Holds the capability hashes of this project against those of real clients: xnyhps/capsdb, as legastero/stanza has it
// in its tests, 1567 answers by the hash that was announced for each.
//
// The database is other people's and is not part of this repository. It is read from CAPSDB_FILE, else from
// .capsdb/capsdb.json. Where it is missing, a developer is told so; in CI (`CI` is set), or if a file was named, that is
// a failure.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { infoQuery, sha1, verify } from '../packages/disco/dist/index.js'
import { parse, serialize } from '../packages/xml/dist/index.js'
import { conclude, root } from './workspace.mjs'

const file = resolve(root, process.env.CAPSDB_FILE ?? '.capsdb/capsdb.json')

/** Nobody should take it from the network; that its 15 entries have the right string is worth knowing all the same. */
const md5 = { name: 'md5', digest: (bytes) => createHash('md5').update(bytes).digest() }

const form = ([type, fields]) => ({
  type: 'result',
  tabular: false,
  fields: [
    { name: 'FORM_TYPE', type: 'hidden', values: [type] },
    ...Object.entries(fields).map(([name, values]) => ({ name, values })),
  ],
})

/** An entry as it would come out of a stream. */
const answer = ({ identities, features, forms }) =>
  parse(serialize(infoQuery({ identities, features, forms: Object.entries(forms).map(form) })))

const sameFeatures = (a, b) => a.length === b.length && new Set([...a, ...b]).size === a.length

/** Without `verify`: the only way in which entries are ill-formed. */
const repeats = ({ features }) => new Set(features).size < features.length

function judge([hash, entry]) {
  const claim = { xep: '0115', algorithm: entry.hash, hash, node: `${entry.node}#${hash}` }
  const query = answer(entry)
  const verdict = verify(query, claim, [sha1, md5])
  const wanted = repeats(entry) ? 'ill-formed' : 'verified'
  const wrong = []
  if (verdict.kind !== wanted) wrong.push(`${verdict.kind}, should be ${wanted}`)
  if (verdict.kind === 'verified' && !verdict.shareable) wrong.push('is not shareable')
  if (verdict.kind === 'verified' && !sameFeatures(verdict.info.features, entry.features))
    wrong.push('has other features when it is shared')
  if (entry.hash === 'md5' && verify(query, claim, [sha1]).kind !== 'unknown-hash')
    wrong.push('MD5 was believed')
  if (
    verify(query, { ...claim, hash: `A${hash.slice(1)}` }, [sha1, md5]).kind === 'verified' &&
    hash[0] !== 'A'
  )
    wrong.push('was verified by another hash')
  return { kind: verdict.kind, complaints: wrong.map((what) => `${hash}: ${what}`) }
}

if (existsSync(file)) {
  const results = Object.entries(JSON.parse(readFileSync(file, 'utf8'))).map(judge)
  const count = (kind) => results.filter((result) => result.kind === kind).length
  console.log(
    `${results.length} entries: ${count('verified')} verified and shareable, ${count('ill-formed')} ill-formed by a repeated feature`,
  )
  conclude(
    'capsdb',
    results.flatMap(({ complaints }) => complaints),
  )
} else if (process.env.CI || process.env.CAPSDB_FILE) conclude('capsdb', [`There is no database in ${file}.`])
else console.log(`capsdb: there is no database in ${file}, nothing was checked.`)
