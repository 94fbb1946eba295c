// What an application gets when it bundles one of the packages: how many bytes, whose modules, and what
// runs on import. A ceiling alone says late and vaguely that something grew; a forbidden module says what leaked.
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import vm from 'node:vm'
import { gzipSync } from 'node:zlib'
import { build } from 'rolldown'
import { parseAst } from 'rolldown/parseAst'
import { conclude, json, published, root, specifiers } from './workspace.mjs'

const xml = /^@xmpp-e2e\/xml(\/|$)/
/** LGPL: it stays a package of its own, and looks for WebCrypto when it is imported. */
const openpgp = /^openpgp$/
const everything = (name) =>
  specifiers(name)
    .map((from, i) => `export * as entry${i} from '${from}'`)
    .join('\n')

/**
 * One bundle a row. `beyond` stays outside the bundle, `ceiling` is in bytes of gzip of the minified bundle
 * (1 kB = 1000), `without` names modules that may not be inside. Ceilings leave a few per cent above
 * today's size and are raised on purpose, with the reason in the commit.
 */
const rows = [
  {
    of: 'xml',
    what: 'elements, parser, stream reader, serializer, saxes',
    code: "export { child, children, element, elements, parse, serialize, StanzaReader, text } from '@xmpp-e2e/xml'",
    ceiling: 11_000,
    without: [/@noble/, /openpgp/, /jid/, /received/],
  },
  {
    of: 'xml',
    what: 'all of it',
    code: "export * from '@xmpp-e2e/xml'",
    ceiling: 21_000,
    without: [/@noble/, /openpgp/],
  },
  {
    of: 'xml',
    what: 'one element, no parser',
    code: "export { element } from '@xmpp-e2e/xml'",
    ceiling: 2_000,
    without: [/saxes/, /@noble/, /openpgp/],
  },
  {
    of: 'xml',
    what: 'the connection of xmpp.js',
    code: "export { connection } from '@xmpp-e2e/xml/xmppjs'",
    ceiling: 7_000,
    without: [/saxes/, /@noble/, /node_modules/],
  },
  {
    of: 'xml',
    what: 'the connection of strophe.js',
    code: "export { connection } from '@xmpp-e2e/xml/strophe'",
    ceiling: 7_500,
    without: [/saxes/, /@noble/, /node_modules/],
  },
  {
    of: 'xml',
    what: 'the connection of stanza',
    code: "export { connection } from '@xmpp-e2e/xml/stanza'",
    ceiling: 7_200,
    without: [/saxes/, /@noble/, /node_modules/],
  },
  {
    of: 'xml',
    what: 'randomness and clock of the platform',
    code: "export * from '@xmpp-e2e/xml/system'",
    ceiling: 600,
    without: [/saxes/, /@noble/, /node_modules/],
  },
  {
    of: 'store',
    what: 'all of it, without the conformance kit',
    code: "export * from '@xmpp-e2e/store'",
    ceiling: 5_350,
    without: [/saxes/, /@noble/, /openpgp/, /packages\/(?!store\/)/, /conformance/],
  },
  {
    of: 'store',
    what: 'a LevelDB directory',
    code: "export * from '@xmpp-e2e/store/level'",
    ceiling: 2_300,
    without: [
      /saxes/,
      /@noble/,
      /openpgp/,
      /packages\/(?!store\/)/,
      /conformance/,
      /node_modules/,
      /effect-/,
    ],
  },
  {
    of: 'store',
    what: 'an SQLite file',
    code: "export * from '@xmpp-e2e/store/libsql'",
    ceiling: 3_000,
    without: [
      /saxes/,
      /@noble/,
      /openpgp/,
      /packages\/(?!store\/)/,
      /conformance/,
      /node_modules/,
      /effect-/,
    ],
  },
  {
    of: 'store',
    what: 'PostgreSQL',
    code: "export * from '@xmpp-e2e/store/postgres'",
    ceiling: 3_100,
    without: [
      /saxes/,
      /@noble/,
      /openpgp/,
      /packages\/(?!store\/)/,
      /conformance/,
      /node_modules/,
      /effect-/,
    ],
  },
  {
    of: 'store',
    what: 'IndexedDB, with idb',
    code: "export * from '@xmpp-e2e/store/indexeddb'",
    ceiling: 3_800,
    without: [/saxes/, /@noble/, /packages\/(?!store\/)/, /conformance/, /effect-/, /update/, /memory/],
  },
  {
    of: 'store',
    what: 'sealed records, with XChaCha20-Poly1305',
    code: "export * from '@xmpp-e2e/store/encrypted'",
    ceiling: 7_100,
    without: [/saxes/, /@noble\/hashes/, /idb/, /packages\/(?!store\/)/, /conformance/, /effect-/, /memory/],
  },
  {
    of: 'disco',
    what: 'asking, answering, announcing, SHA-1, SHA-256, beyond xml',
    code: "export { disco } from '@xmpp-e2e/disco'",
    beyond: [xml],
    ceiling: 8_000,
    without: [
      /saxes/,
      /openpgp/,
      /packages\/store/,
      /disco\/dist\/pep/,
      /scheme/,
      /result-set/,
      /sha3/,
      /blake2/,
    ],
  },
  {
    of: 'disco',
    what: 'the same with all names of the main entry, beyond xml',
    code: "export * from '@xmpp-e2e/disco'",
    beyond: [xml],
    ceiling: 8_600,
    without: [
      /saxes/,
      /openpgp/,
      /packages\/store/,
      /disco\/dist\/pep/,
      /scheme/,
      /result-set/,
      /sha3/,
      /blake2/,
    ],
  },
  {
    of: 'disco',
    what: 'which schemes a contact supports, beyond xml',
    code: "export * from '@xmpp-e2e/disco/schemes'",
    beyond: [xml],
    ceiling: 3_400,
    without: [/saxes/, /@noble/, /openpgp/, /packages\/store/, /caps/],
  },
  {
    of: 'disco',
    what: 'PEP, beyond xml',
    code: "export * from '@xmpp-e2e/disco/pep'",
    beyond: [xml],
    ceiling: 4_800,
    without: [/saxes/, /@noble/, /openpgp/, /caps/],
  },
  {
    of: 'disco',
    what: 'members of a room, beyond xml',
    code: "export * from '@xmpp-e2e/disco/rooms'",
    beyond: [xml],
    ceiling: 950,
    without: [/saxes/, /@noble/, /openpgp/, /packages\/(?!disco\/)/],
  },
  {
    of: 'disco',
    what: 'the other hashes of XEP-0390',
    code: "export * from '@xmpp-e2e/disco/hashes'",
    ceiling: 7_600,
    without: [/saxes/, /openpgp/, /packages\/xml/],
  },
  {
    of: 'trust',
    what: 'all of it, beyond xml',
    code: "export * from '@xmpp-e2e/trust'",
    beyond: [xml],
    ceiling: 6_800,
    without: [/saxes/, /@noble/, /openpgp/, /node_modules\/qr\//],
  },
  {
    of: 'trust',
    what: 'fingerprints',
    code: "export { formatFingerprint, isSameFingerprint, parseFingerprint } from '@xmpp-e2e/trust'",
    ceiling: 800,
    without: [/packages\/xml/, /node_modules/],
  },
  {
    of: 'trust',
    what: 'QR codes',
    code: "export * from '@xmpp-e2e/trust/qr'",
    ceiling: 6_600,
    without: [/packages\/xml/, /saxes/, /@noble/],
  },
  {
    of: 'testkit',
    what: 'all of it, beyond xml',
    code: "export * from '@xmpp-e2e/testkit'",
    beyond: [xml],
    ceiling: 28_000,
    without: [/saxes/, /openpgp/, /packages\/(?!testkit\/)/],
  },
  {
    of: 'omemo',
    what: 'the façade, beyond xml, store, trust and disco',
    code: "export * from '@xmpp-e2e/omemo'",
    beyond: [/^@xmpp-e2e\/(xml|store|trust|disco)(\/|$)/],
    ceiling: 73_000,
    without: [/saxes/, /openpgp/],
  },
  {
    of: 'omemo',
    what: 'the façade, with everything',
    code: "export * from '@xmpp-e2e/omemo'",
    ceiling: 103_000,
    without: [/openpgp/],
  },
  {
    of: 'omemo',
    what: 'files (XEP-0454)',
    code: "export * from '@xmpp-e2e/omemo/file'",
    ceiling: 4_800,
    without: [/saxes/, /openpgp/, /@noble\/curves/],
  },
  {
    of: 'omemo',
    what: 'primitives, beyond xml',
    code: "export * from '@xmpp-e2e/omemo/primitives'",
    beyond: [xml],
    ceiling: 34_500,
    without: [/saxes/, /openpgp/],
  },
  {
    of: 'omemo',
    what: 'one step of a session, without curve and stanzas',
    code: "export { initiateSession } from '@xmpp-e2e/omemo/primitives'",
    ceiling: 6_000,
    without: [/saxes/, /openpgp/, /packages\/xml/, /@noble\/curves/, /@noble\/ciphers/],
  },
  {
    of: 'otr',
    what: 'the façade, beyond xml, store and trust',
    code: "export * from '@xmpp-e2e/otr'",
    beyond: [/^@xmpp-e2e\/(xml|store|trust)(\/|$)/],
    ceiling: 31_800,
    without: [/saxes/, /openpgp/, /@noble\/curves/, /html/],
  },
  {
    of: 'otr',
    what: 'the façade, beyond xml',
    code: "export * from '@xmpp-e2e/otr'",
    beyond: [xml],
    ceiling: 37_300,
    without: [/saxes/, /openpgp/, /@noble\/curves/, /packages\/disco/],
  },
  {
    of: 'otr',
    what: 'the protocol without network',
    code: "export * from '@xmpp-e2e/otr/core'",
    ceiling: 23_500,
    without: [
      /saxes/,
      /openpgp/,
      /@noble\/curves/,
      /packages\/(store|trust)/,
      /packages\/xml\/dist\/(?!base64|scalar)/,
    ],
  },
  {
    of: 'otr',
    what: 'the rules of XMPP, beyond xml',
    code: "export * from '@xmpp-e2e/otr/xmpp'",
    beyond: [xml],
    ceiling: 2_000,
    without: [/saxes/, /openpgp/, /@noble/, /packages\/(?!otr\/)/],
  },
  {
    of: 'otr',
    what: 'text out of HTML',
    code: "export * from '@xmpp-e2e/otr/html'",
    ceiling: 1_100,
    without: [/node_modules/, /packages\/(?!otr\/)/],
  },
  {
    of: 'ox',
    what: 'the façade, beyond xml, store, trust, disco and openpgp',
    code: "export * from '@xmpp-e2e/ox'",
    beyond: [/^@xmpp-e2e\/(xml|store|trust|disco)(\/|$)/, openpgp],
    ceiling: 24_000,
    without: [/saxes/, /@noble/, /node_modules/],
  },
  {
    of: 'ox',
    what: 'the stanzas alone, beyond xml',
    code: "export * from '@xmpp-e2e/ox/elements'",
    beyond: [xml],
    ceiling: 3_000,
    without: [
      /saxes/,
      /@noble/,
      /openpgp\.mjs/,
      /node_modules/,
      /packages\/(?!ox\/)/,
      /ox\/dist\/(openpgp|key|message)\//,
    ],
  },
]

/**
 * Names of ECMAScript itself that own code may not use: a strict CSP forbids the first two, and the third gets around
 * the compiler, which knows no host (`types: []`, no DOM in `lib`) and so refuses `process`, `fetch` or `crypto` by itself.
 */
const forbidden = new Set(['eval', 'Function', 'globalThis'])
/** What must be injected; the one file that is there to be injected may name it. */
const forbiddenMembers = new Set(['Math.random', 'Date.now'])
const platform = join(root, 'packages', 'xml', 'dist', 'system.js')

/** Bundles source text as if it were a file of the package, so that it sees what the package exports. */
async function bundle(of, code, { beyond = [], format = 'esm' } = {}) {
  const entry = join(root, 'packages', of, 'bundle-check-entry.js')
  const { output } = await build({
    input: entry,
    external: beyond,
    write: false,
    onLog: () => {}, // what could not be resolved shows as an import of the chunk
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === entry ? entry : undefined),
        load: (id) => (id === entry ? { code, moduleSideEffects: true } : undefined),
      },
    ],
    output: {
      minify: true,
      format,
      ...(format === 'iife' && { name: 'bundled', codeSplitting: false, globals: { openpgp: 'openpgp' } }),
    },
  })
  const chunks = output.filter((part) => part.type === 'chunk')
  const modules = chunks
    .flatMap((chunk) => Object.entries(chunk.modules))
    .map(([id, { renderedLength }]) => ({ id: relative(root, id), bytes: renderedLength }))
    .filter(({ id, bytes }) => bytes > 0 && !id.endsWith('bundle-check-entry.js'))
    .sort((a, b) => b.bytes - a.bytes)
  const unresolved = chunks
    .flatMap((chunk) => [...chunk.imports, ...chunk.dynamicImports])
    .filter(
      (id) => !beyond.some((pattern) => pattern.test(id)) && !chunks.some((chunk) => chunk.fileName === id),
    )
  const text = chunks.map((chunk) => chunk.code).join('\n')
  const gzip = gzipSync(text, { level: 9 }).length
  return { text, modules, minified: Buffer.byteLength(text), gzip, unresolved }
}

/** The store of pnpm is in every path of a dependency; `saxes@6.0.0/saxes.js` says the same and can be read. */
const short = (id) => id.replace(/.*node_modules\/\.pnpm\/([^/]+)\/node_modules\/(?:@[^/]+\/)?[^/]+/, '$1')

async function measure({ of, what, code, beyond, ceiling, without }) {
  const { modules, minified, gzip, unresolved } = await bundle(of, code, { beyond })
  const leaked = modules.filter(({ id }) => without.some((pattern) => pattern.test(id)))
  const complaints = [
    ...unresolved.map((id) => `${of} (${what}): nothing is found under ${id}.`),
    ...leaked.map(({ id }) => `${of} (${what}): ${short(id)} leaked into the bundle.`),
  ]
  if (gzip > ceiling) {
    const largest = modules.slice(0, 5).map(({ id, bytes }) => `${short(id)} ${bytes}`)
    complaints.push(
      `${of} (${what}) grew to ${gzip} bytes of gzip, ${gzip - ceiling} above its ceiling of ${ceiling}. ` +
        `Largest before minifying: ${largest.join(', ')}.`,
    )
  }
  const cells = [of, what, String(modules.length), String(minified), String(gzip), String(ceiling)]
  return { cells, complaints }
}

/**
 * Runs everything a package exports in a context that has the ECMAScript built-ins and nothing else but `TextEncoder` and
 * `TextDecoder`, which every host has, and openpgp where the package depends on it: no `window`, `document`, `indexedDB`, no
 * timers, and neither `eval` nor WebAssembly allowed, as under a strict CSP. Whatever ran at import and needed one of them throws.
 */
async function importBare(of) {
  const { text, unresolved } = await bundle(of, everything(of), { beyond: [openpgp], format: 'iife' })
  if (unresolved.length > 0) return unresolved.map((id) => `${of}: nothing is found under ${id}.`)
  const { dependencies = {} } = json('packages', of, 'package.json')
  try {
    const context = { TextEncoder, TextDecoder, ...('openpgp' in dependencies && (await openpgpOf(of))) }
    vm.runInNewContext(text, context, {
      contextCodeGeneration: { strings: false, wasm: false },
      timeout: 10_000,
    })
    return []
  } catch (error) {
    return [`${of}: importing it needs more than ECMAScript: ${error}`]
  }
}

async function openpgpOf(of) {
  const { resolve } = createRequire(join(root, 'packages', of, 'package.json'))
  return { openpgp: await import(resolve('openpgp')) }
}

const isNode = (value) => typeof value === 'object' && value !== null && typeof value.type === 'string'

/** A node and every node below. */
function* walk(node) {
  yield node
  for (const value of Object.values(node).flat()) if (isNode(value)) yield* walk(value)
}

/** What a node uses of that which is forbidden, as it is called in a complaint. */
function misuse({ type, name, object, property, callee, arguments: given }) {
  if (type === 'Identifier') return forbidden.has(name) ? name : undefined
  if (type === 'MemberExpression') {
    const member = `${object.name}.${property.name ?? property.value}`
    return forbiddenMembers.has(member) ? member : undefined
  }
  const isClock = callee?.name === 'Date' && (type === 'CallExpression' || given.length === 0)
  return isClock ? 'the clock, with Date()' : undefined
}

function inspect(name) {
  const dist = join(root, 'packages', name, 'dist')
  return readdirSync(dist, { recursive: true })
    .filter((file) => file.endsWith('.js') && join(dist, file) !== platform)
    .flatMap((file) => {
      const source = readFileSync(join(dist, file), 'utf8')
      return [...walk(parseAst(source))]
        .map((node) => ({ used: misuse(node), at: node.start }))
        .filter(({ used }) => used !== undefined)
        .map(
          ({ used, at }) =>
            `packages/${name}/dist/${file}:${source.slice(0, at).split('\n').length} uses ${used}.`,
        )
    })
}

const missing = published
  .filter((name) => !rows.some(({ of }) => of === name))
  .map((name) => `${name} has no row in this check: add one with its ceiling.`)
const measured = await Promise.all(rows.filter(({ of }) => published.includes(of)).map(measure))
const bare = await Promise.all(published.map(importBare))

const table = [
  ['package', 'bundle', 'modules', 'minified', 'gzip', 'ceiling'],
  ...measured.map(({ cells }) => cells),
]
const widths = table[0].map((_, column) => Math.max(...table.map((cells) => cells[column].length)))
for (const cells of table)
  console.log(cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '))

conclude('bundle check', [
  ...missing,
  ...measured.flatMap(({ complaints }) => complaints),
  ...bare.flat(),
  ...published.flatMap(inspect),
])
