// Runs the tests against other implementations. On Debian as root it installs those that are missing;
// elsewhere it says which are missing and runs the rest. With CI set, a missing peer is a failure.
// Arguments go to vitest: `npm run interop -- -t "in order"`.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * The peers. `probe` is a command that succeeds when the peer can be used, `packages` are its names in
 * Debian, `tests` says which files of interop/test need it, and `services` are the system services that
 * come with the packages: the tests start their own servers, and nothing else may.
 */
const PEERS = [
  {
    name: 'python-omemo',
    packages: ['python3-omemo', 'python3-twomemo', 'python3-oldmemo', 'python3-xmlschema'],
    probe: ['/usr/bin/python3', '-E', '-s', '-B', '-c', 'import twomemo.etree, oldmemo.etree'],
    tests: /^(python-omemo|omemo-.*)\.test\.ts$/,
    services: [],
  },
  {
    name: 'slixmpp',
    packages: ['python3-slixmpp'],
    probe: ['/usr/bin/python3', '-E', '-s', '-B', '-c', 'import slixmpp'],
    tests: /^omemo-live-(peers|prosody|ejabberd|profanity-peer)\.test\.ts$/,
    services: [],
  },
  {
    name: 'Profanity',
    packages: ['profanity', 'tmux'],
    probe: ['/bin/sh', '-c', '/usr/bin/profanity -v && /usr/bin/tmux -V'],
    tests: /^(omemo|otr|ox)-live-profanity.*\.test\.ts$/,
    services: [],
  },
  {
    name: 'Prosody',
    packages: ['prosody', 'openssl'],
    probe: ['/bin/sh', '-c', 'test -x /usr/bin/prosody && test -x /usr/bin/openssl'],
    tests:
      /^(programs|servers|adapters.*|pep-servers|disco-servers|browser.*|(omemo|otr|ox)-live-(?!ejabberd).*)\.test\.ts$/,
    services: ['prosody.service'],
  },
  {
    name: 'ejabberd',
    packages: ['ejabberd', 'openssl'],
    probe: [
      '/bin/sh',
      '-c',
      'ls -d /usr/lib/*/ejabberd-*/ebin && test -x /usr/bin/erl && test -x /usr/bin/openssl',
    ],
    tests: /^(servers|adapters.*|pep-servers|disco-servers|(omemo|ox)-live-(peers|ejabberd))\.test\.ts$/,
    services: ['ejabberd.service', 'epmd.socket', 'epmd.service'],
  },
  {
    name: 'Chromium',
    packages: ['chromium'],
    probe: ['/usr/bin/chromium', '--version'],
    tests: /^(browser.*|store-indexeddb|ox-chromium)\.test\.ts$/,
    services: [],
  },
  {
    name: 'PostgreSQL',
    packages: ['postgresql'],
    probe: ['/bin/sh', '-c', 'ls /usr/lib/postgresql/*/bin/initdb && id postgres'],
    tests: /^(store-(postgres|crashes)|facade-(crashes|shared)-postgres)\.test\.ts$/,
    services: ['postgresql.service'],
  },
  {
    name: 'libotr',
    packages: ['libotr5-dev', 'libotr5-bin', 'libgcrypt20-dev', 'gcc', 'libc6-dev', 'pkg-config'],
    probe: [
      '/bin/sh',
      '-c',
      'pkg-config --exists libotr && test -e /usr/include/gcrypt.h && gcc --version && test -x /usr/bin/otr_modify',
    ],
    tests: /^otr-(libotr|toolkit).*\.test\.ts$/,
    services: [],
  },
  {
    name: 'otr3',
    packages: ['golang-go', 'golang-github-twstrike-otr3-dev'],
    probe: ['/bin/sh', '-c', 'go version && test -d /usr/share/gocode/src/github.com/twstrike/otr3'],
    tests: /^otr-otr3.*\.test\.ts$/,
    services: [],
  },
  {
    name: 'potr',
    packages: ['python3-potr'],
    probe: ['/usr/bin/python3', '-E', '-s', '-B', '-c', 'import potr'],
    tests: /^otr-potr.*\.test\.ts$/,
    services: [],
  },
  {
    name: 'GnuPG',
    packages: ['gnupg'],
    probe: ['/bin/sh', '-c', 'test -x /usr/bin/gpg && test -x /usr/bin/gpgconf'],
    tests: /^ox-(gpg|nbxmpp|live-profanity)\.test\.ts$/,
    services: [],
  },
  {
    name: 'Sequoia',
    packages: ['sq', 'bsdutils'],
    probe: ['/bin/sh', '-c', 'test -x /usr/bin/sq && test -x /usr/bin/script'],
    tests: /^ox-sq\.test\.ts$/,
    services: [],
  },
  {
    name: 'PGPainless',
    packages: ['pgpainless-cli'],
    probe: ['/bin/sh', '-c', 'test -x /usr/bin/pgpainless-cli'],
    tests: /^ox-pgpainless\.test\.ts$/,
    services: [],
  },
  {
    name: 'RNP',
    packages: ['rnp'],
    probe: ['/bin/sh', '-c', 'test -x /usr/bin/rnp && test -x /usr/bin/rnpkeys'],
    tests: /^ox-rnp\.test\.ts$/,
    services: [],
  },
  {
    name: 'nbxmpp',
    packages: ['python3-nbxmpp'],
    probe: ['/usr/bin/python3', '-E', '-s', '-B', '-c', 'import nbxmpp.modules.openpgp'],
    tests: /^ox-nbxmpp\.test\.ts$/,
    services: [],
  },
]

const root = fileURLToPath(new URL('..', import.meta.url))

const succeeds = ([command, ...args]) => spawnSync(command, args, { stdio: 'ignore' }).status === 0
const missing = () => PEERS.filter(({ probe }) => !succeeds(probe))

/** Runs a command where its output can be seen; false if it failed. */
function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) console.error(`${command}: ${error.message}`)
  return status === 0
}

const pnpm = (...args) => run(process.execPath, ['scripts/pnpm.mjs', ...args])

/** Debian as root is where packages can be installed without asking anybody. */
const canInstall = () =>
  existsSync('/etc/debian_version') && process.getuid?.() === 0 && succeeds(['apt-get', '--version'])

function install(peers) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const packages = [...new Set(peers.flatMap((peer) => peer.packages))]
  console.log(`interop: installing ${packages.join(' ')}`)
  // An index that cannot be refreshed may still be good enough to install from.
  run('apt-get', ['update', '-q'], { env })
  withoutServices(() =>
    run('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...packages], { env }),
  )
  // Nor at the next boot, where there is systemd.
  const services = peers.flatMap((peer) => peer.services)
  if (services.length > 0 && existsSync('/run/systemd/system'))
    run('systemctl', ['disable', '--now', ...services])
}

/**
 * Debian's packages start their services when they are installed, unless this program says 101. One that
 * was there before comes back afterwards, also after Ctrl-C.
 */
function withoutServices(work) {
  const policy = '/usr/sbin/policy-rc.d'
  const before = `${policy}.before-interop`
  const ignore = () => undefined
  process.on('SIGINT', ignore)
  if (existsSync(policy)) renameSync(policy, before)
  try {
    writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
    work()
  } finally {
    rmSync(policy, { force: true })
    if (existsSync(before)) renameSync(before, policy)
    process.off('SIGINT', ignore)
  }
}

let absent = missing()
if (absent.length > 0 && canInstall()) {
  install(absent)
  absent = missing()
}

const tests = readdirSync(new URL('../interop/test', import.meta.url)).filter((file) =>
  file.endsWith('.test.ts'),
)
const left = tests.filter((file) => absent.some((peer) => peer.tests.test(file)))
for (const { name, packages } of absent)
  console.log(`interop: ${name} is missing (Debian: ${packages.join(' ')})`)
for (const file of left) console.log(`interop: left out ${file}`)

if (absent.length > 0 && process.env.CI) {
  console.error('interop: in CI every peer must be there')
  process.exit(1)
}
if (left.length === tests.length) {
  console.log('interop: nothing to run')
  process.exit(0)
}

const exclude = left.flatMap((file) => ['--exclude', `test/${file}`])
// With the drivers themselves: some tests start them as processes of their own.
const done =
  pnpm('exec', 'turbo', 'run', 'build', '--filter=@xmpp-e2e/interop...') &&
  pnpm('--filter', '@xmpp-e2e/interop', 'exec', 'vitest', 'run', ...exclude, ...process.argv.slice(2))
process.exit(done ? 0 : 1)
