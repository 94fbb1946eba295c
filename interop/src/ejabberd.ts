/**
 * ejabberd, Debian's: `ejabberd/ejabberd.yml` says how it is set up. It runs in a plain Erlang node without a
 * name, hence without epmd, which would outlive it.
 */
import { type Account, type Program, type Server, type ServerOptions, startServer } from './server.ts'

/** Where Debian keeps it, for each architecture. */
const LIBRARIES = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map((triplet) => `/usr/lib/${triplet}`)

/** What the node prints when the accounts are there. */
const REGISTERED = 'accounts registered'

/** Erlang that makes the accounts, once ejabberd runs; the node ends if one cannot be made. */
function registration(accounts: readonly Account[]): string {
  const rows = accounts.map(({ jid, password }) => {
    const [name, host] = jid.split('@')
    return `{<<"${name}">>, <<"${host}">>, <<"${password}">>}`
  })
  const register = `[ok = ejabberd_auth:try_register(U, S, P) || {U, S, P} <- [${rows}]]`
  return `{ok, _} = application:ensure_all_started(ejabberd), ${register}, io:format("${REGISTERED}~n").`
}

const EJABBERD: Program = {
  name: 'ejabberd',
  template: new URL('../ejabberd/ejabberd.yml', import.meta.url),
  // Its database is made by the node when it starts, and accounts are made there.
  prepare: async () => undefined,
  command: (configuration, accounts) => ({
    command: '/usr/bin/erl',
    args: ['-noinput', '-s', 'ejabberd', '-eval', registration(accounts)],
    env: {
      PATH: process.env.PATH,
      HOME: '.',
      LANG: 'C.UTF-8',
      ERL_LIBS: LIBRARIES.join(':'),
      ERL_CRASH_DUMP: '/dev/null',
      EJABBERD_CONFIG_PATH: configuration,
      EJABBERD_LOG_PATH: 'ejabberd.log',
    },
  }),
  ready: (ports) => [
    ...ports.map((port) => new RegExp(`Start accepting TCP connections at 127\\.0\\.0\\.1:${port}\\b`)),
    new RegExp(REGISTERED),
  ],
  portTaken: /eaddrinuse/,
}

export const startEjabberd = (options?: ServerOptions): Promise<Server> => startServer(EJABBERD, options)
