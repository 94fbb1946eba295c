// The packages as a stranger gets them: packed, linted by publint and attw, installed from the tarballs, compiled
// against with every TypeScript that is supported and without skipLibCheck, imported and required, their README
// programs run. Packs what has been built: `prepack` would write the same files again under another task's eyes.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { conclude, json, published, root, specifiers } from './workspace.mjs'

/** Folders of root dev dependencies, oldest first. The last one also emits what is run. */
const compilers = ['typescript-5.6', 'typescript-5.9', 'typescript-6.0', 'typescript']

const strict = {
  target: 'ES2022',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  verbatimModuleSyntax: true,
  skipLibCheck: false,
}
/**
 * Two consumers: one in a browser with a bundler, one on nothing but ECMAScript. Both leave @types/node out: it does not
 * pass either. The one that takes longest comes first, so that no core waits for it at the end.
 */
const consumers = {
  bundler: {
    compilerOptions: {
      ...strict,
      module: 'esnext',
      moduleResolution: 'bundler',
      lib: ['ES2022', 'DOM'],
      types: [],
      rootDir: '.',
      outDir: 'out',
    },
    include: ['imports.ts', 'examples'],
  },
  nodenext: {
    compilerOptions: { ...strict, module: 'nodenext', lib: ['ES2022'], types: [], noEmit: true },
    files: ['imports.ts'],
  },
}

/** Runs a program to its end; never throws. */
function run(command, args, cwd) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, timeout: 120_000, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let output = ''
    child.stdout.on('data', (data) => {
      stdout += data
      output += data
    })
    child.stderr.on('data', (data) => {
      output += data
    })
    child.on('error', (error) => resolve({ ok: false, stdout, output: `${output}${error}` }))
    child.on('close', (status) => resolve({ ok: status === 0, stdout, output: output.trim() }))
  })
}

const node = (args, cwd) => run(process.execPath, args, cwd)
const pnpm = (args, cwd) => node([join(root, 'scripts', 'pnpm.mjs'), ...args], cwd)

/** Runs as many jobs at once as there are cores; results keep their order. */
async function pool(jobs) {
  const results = []
  const queue = jobs.entries()
  const worker = async () => {
    for (const [i, job] of queue) results[i] = await job()
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  return results
}

/** Every published package as a tarball in `folder`: `{ name, tarball, files }`. */
async function pack(folder) {
  const filters = published.flatMap((name) => ['--filter', `@xmpp-e2e/${name}`])
  const { ok, stdout, output } = await pnpm(
    ['--config.ignore-scripts=true', ...filters, 'pack', '--json', '--pack-destination', folder],
    root,
  )
  if (!ok) throw new Error(`pnpm pack failed:\n${output}`)
  const packed = JSON.parse(stdout)
  return [packed].flat().map(({ name, filename, files }) => ({
    name: name.replace('@xmpp-e2e/', ''),
    tarball: filename,
    files: files.map(({ path }) => path),
  }))
}

function inspectTarball({ name, files }) {
  const source = join(root, 'packages', name)
  const wanted = ['README.md', 'LICENSE', 'CHANGELOG.md'].filter(
    (file) => file !== 'CHANGELOG.md' || existsSync(join(source, file)),
  )
  const stray = /(^|\/)(tests?|vectors|coverage|node_modules|\.turbo)\/|\.test\.|tsconfig|turbo\.json|\.tgz$/
  return [
    ...wanted.filter((file) => !files.includes(file)).map((file) => `${name}: the tarball has no ${file}.`),
    ...files
      .filter((file) => stray.test(file))
      .map((file) => `${name}: ${file} does not belong in the tarball.`),
  ]
}

/** Programs that lint a tarball, and what they are told. */
const linters = [
  { name: 'publint', program: 'publint/src/cli.js', args: ['--strict'] },
  { name: 'attw', program: '@arethetypeswrong/cli/dist/index.js', args: ['--profile', 'esm-only'] },
]

async function lint({ name, tarball }, linter) {
  const program = join(root, 'node_modules', linter.program)
  const { ok, output } = await node([program, tarball, ...linter.args], root)
  console.log(`${ok ? '✓' : '✗'} ${linter.name}, ${name}`)
  return ok ? [] : [`${linter.name} finds fault with the tarball of ${name}:\n${output}`]
}

/** The programs that READMEs show, as files of examples/: so they are compiled and run, here and there. */
const programs = [
  { readme: 'README.md', file: 'examples/src/two-devices.ts' },
  ...published.map((name) => ({ readme: `packages/${name}/README.md`, file: `examples/src/${name}.ts` })),
  { readme: 'packages/omemo/PRIMITIVES.md', file: 'examples/src/omemo-primitives.ts' },
]
const written = programs.filter(({ file }) => existsSync(join(root, file)))
const read = (file) => readFileSync(join(root, file), 'utf8')

function inspectReadme({ readme, file }) {
  if (!existsSync(join(root, readme))) return [`There is no ${readme}.`]
  if (!existsSync(join(root, file))) return [`There is no ${file} for ${readme} to show.`]
  return read(readme).includes(read(file).trim()) ? [] : [`${readme} does not show ${file} word for word.`]
}

/** Versions of what the packages name under `field`, as this workspace has them, so that a new release elsewhere changes nothing. */
const pins = (field) =>
  Object.fromEntries(
    published
      .flatMap((name) =>
        Object.keys(json('packages', name, 'package.json')[field] ?? {}).map((d) => [name, d]),
      )
      .filter(([, dependency]) => !dependency.startsWith('@xmpp-e2e/'))
      .map(([name, dependency]) => [
        dependency,
        json('packages', name, 'node_modules', dependency, 'package.json').version,
      ]),
  )

function writeFixture(folder, packed) {
  const tarballs = Object.fromEntries(
    packed.map(({ name, tarball }) => [`@xmpp-e2e/${name}`, `file:${tarball}`]),
  )
  const all = published.flatMap(specifiers)
  const list = JSON.stringify(all)
  const write = (file, text) => writeFileSync(join(folder, file), text)
  write(
    'package.json',
    JSON.stringify({
      name: 'stranger',
      private: true,
      type: 'module',
      // Peers are optional, each for one subpath: who imports them all installs them all.
      dependencies: { ...tarballs, ...pins('peerDependencies') },
      pnpm: { overrides: { ...pins('dependencies'), ...tarballs } },
    }),
  )
  for (const [name, config] of Object.entries(consumers))
    write(`tsconfig.${name}.json`, JSON.stringify(config))
  write(
    'imports.ts',
    `${all.map((from, i) => `import * as m${i} from '${from}'`).join('\n')}\nexport const all = [${all.map((_, i) => `m${i}`)}]\n`,
  )
  write(
    'esm.mjs',
    `for (const timer of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'])
      globalThis[timer] = () => { throw new Error(timer + ' was called on import') }
    for (const from of ${list}) console.log(from, Object.keys(await import(from)).length)\n`,
  )
  write(
    'cjs.cjs',
    `for (const from of ${list}) console.log(from, Object.keys(require(from)).filter((k) => k !== '__esModule').length)\n`,
  )
  mkdirSync(join(folder, 'examples'))
  for (const { file } of written) write(join('examples', basename(file)), read(file))
}

async function compile(folder, compiler, consumer) {
  const { version } = json('node_modules', compiler, 'package.json')
  const tsc = join(root, 'node_modules', compiler, 'bin', 'tsc')
  const emit = compiler === compilers.at(-1) || consumer === 'nodenext' ? [] : ['--noEmit']
  const { ok, output } = await node([tsc, '-p', `tsconfig.${consumer}.json`, ...emit], folder)
  console.log(`${ok ? '✓' : '✗'} TypeScript ${version}, ${consumer}`)
  return ok ? [] : [{ on: `${version} ${consumer}`, output }]
}

/** The same errors on several compilers are one complaint. */
function complaintsOf(failures) {
  const outputs = [...new Set(failures.map(({ output }) => output))]
  return outputs.map((output) => {
    const on = failures.filter((failure) => failure.output === output).map((failure) => failure.on)
    return `A strict consumer does not compile on TypeScript ${on.join(', ')}:\n${output}`
  })
}

async function load(folder) {
  const [esm, cjs] = await pool(['esm.mjs', 'cjs.cjs'].map((file) => () => node([file], folder)))
  console.log(`${esm.ok ? '✓' : '✗'} import\n${cjs.ok ? '✓' : '✗'} require`)
  if (!esm.ok) return [`Importing the packages failed:\n${esm.output}`]
  if (!cjs.ok) return [`Requiring the packages from CommonJS failed:\n${cjs.output}`]
  return esm.output === cjs.output ? [] : [`import and require differ:\n${esm.output}\n${cjs.output}`]
}

async function runProgram(folder, { file }) {
  const { ok, output } = await node([join('out', 'examples', basename(file, '.ts').concat('.js'))], folder)
  console.log(`${ok ? '✓' : '✗'} ${file}`)
  return ok ? [] : [`${file} fails when run against the tarballs:\n${output}`]
}

async function check(folder) {
  const packed = await pack(join(folder, 'tarballs'))
  const found = [...packed.flatMap(inspectTarball), ...programs.flatMap(inspectReadme)]
  writeFixture(folder, packed)
  const installed = await pnpm(
    ['install', '--prefer-offline', '--ignore-scripts', '--no-frozen-lockfile'],
    folder,
  )
  if (!installed.ok) return [...found, `Installing the tarballs failed:\n${installed.output}`]
  const jobs = Object.keys(consumers).flatMap((consumer) =>
    compilers.map((compiler) => () => compile(folder, compiler, consumer)),
  )
  const compiled = await pool(jobs)
  const linted = await pool(packed.flatMap((tarball) => linters.map((linter) => () => lint(tarball, linter))))
  const loaded = await load(folder)
  const ran = await pool(written.map((program) => () => runProgram(folder, program)))
  return [...found, ...complaintsOf(compiled.flat()), ...linted.flat(), ...loaded, ...ran.flat()]
}

const folder = mkdtempSync(join(tmpdir(), 'consumer-check-'))
try {
  conclude('consumer check', await check(folder))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
