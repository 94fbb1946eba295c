/**
 * A plugin for Converse. Converse answers disco#info and announces capabilities itself: it is handed features as plain
 * data, and there is no second owner of its hash.
 */
import { notify } from '@xmpp-e2e/disco/pep'
import { connection, type StropheConnection } from '@xmpp-e2e/xml/strophe'
import { GUARD, login, NODE, serve, socketOf } from './page.ts'

/** What is used of Converse, which has no types for its plugins. */
interface Api {
  readonly connection: { get(): StropheConnection<Element> }
  readonly disco: { readonly own: { readonly features: { add(name: string): void } } }
  readonly listen: { on(event: string, listener: () => void): void }
}
interface Converse {
  readonly plugins: {
    add(name: string, plugin: { initialize(this: { readonly _converse: { readonly api: Api } }): void }): void
  }
  initialize(settings: Readonly<Record<string, unknown>>): Promise<unknown>
}

const PLUGIN = 'xmpp-e2e-tested'

window.addEventListener('converse-loaded', (event) => {
  const { converse } = (event as CustomEvent<{ readonly converse: Converse }>).detail
  converse.plugins.add(PLUGIN, {
    initialize() {
      const { api } = this._converse
      api.listen.on('addClientFeatures', () => api.disco.own.features.add(notify(NODE)))
      api.listen.on('connectionInitialized', () => {
        const strophe = api.connection.get()
        serve(connection(strophe, { ...GUARD, document }), () => socketOf(strophe).close())
      })
    },
  })
  const { url, jid, password } = login()
  void converse.initialize({
    jid,
    password,
    websocket_url: url,
    auto_login: true,
    discover_connection_methods: false,
    whitelisted_plugins: [PLUGIN],
    blacklisted_plugins: ['converse-omemo', 'converse-notification'],
    view_mode: 'fullscreen',
    assets_path: '/dist/',
    persistent_store: 'sessionStorage',
    loglevel: 'warn',
    i18n: 'en',
  })
})
