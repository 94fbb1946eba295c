/** A page that chats, on a loopback port of its own: a script of `browser/chat`, bundled, and Converse where it is wanted. */
import { readFile } from 'node:fs/promises'
import { bundle, type Site, serve } from './site.ts'

const CONVERSE = new URL('../node_modules/converse.js/dist/', import.meta.url)

/** Neither `eval` nor WebAssembly, no inline script, nothing from elsewhere but the server's WebSocket. */
const strict = (websocket: string): string =>
  `default-src 'none'; script-src 'self'; connect-src ${new URL(websocket).origin}`

/** Converse writes styles into elements, has images and fonts in its own files, and compiles WebAssembly. */
const forConverse = (websocket: string): string =>
  `default-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ${new URL(websocket).origin}`

/** @param websocket - the only thing elsewhere that the page may connect to. */
export async function serveChat(host: 'strophe' | 'converse', websocket: string): Promise<Site> {
  const code = await bundle(new URL(`../browser/chat/${host}.ts`, import.meta.url))
  const scripts = ['<script type="module" src="/page.js"></script>']
  if (host === 'converse') {
    scripts.push('<link rel="stylesheet" href="/dist/converse.min.css">')
    scripts.push('<script type="module" src="/dist/converse.min.js"></script>')
  }
  const page = `<!doctype html><meta charset="utf-8"><title>${host}</title>${scripts.join('')}<body></body>`
  const policy = host === 'converse' ? forConverse(websocket) : strict(websocket)
  const find = async (path: string): Promise<string | Buffer | undefined> => {
    if (path === '/') return page
    if (path === '/page.js') return code
    if (host !== 'converse' || !path.startsWith('/dist/')) return undefined
    return readFile(new URL(path.slice('/dist/'.length), CONVERSE)).catch(() => undefined)
  }
  return serve(find, policy)
}
