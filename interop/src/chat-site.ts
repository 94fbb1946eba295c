/** A page that chats, on a loopback port of its own: a script of `browser/chat`, bundled, and Converse where it is wanted. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

export interface ChatSite {
  readonly url: string
  close(): Promise<void>
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
}

const CONVERSE = new URL('../node_modules/converse.js/dist/', import.meta.url)

/** Neither `eval` nor WebAssembly, no inline script, nothing from elsewhere but the server's WebSocket. */
const strict = (websocket: string): string =>
  `default-src 'none'; script-src 'self'; connect-src ${new URL(websocket).origin}`

/** Converse writes styles into elements, has images and fonts in its own files, and compiles WebAssembly. */
const forConverse = (websocket: string): string =>
  `default-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ${new URL(websocket).origin}`

/** @param websocket - the only thing elsewhere that the page may connect to. */
export async function serveChat(host: 'strophe' | 'converse', websocket: string): Promise<ChatSite> {
  const input = fileURLToPath(new URL(`../browser/chat/${host}.ts`, import.meta.url))
  const { output } = await build({ input, write: false, platform: 'browser' })
  const scripts = ['<script type="module" src="/page.js"></script>']
  if (host === 'converse') {
    scripts.push('<link rel="stylesheet" href="/dist/converse.min.css">')
    scripts.push('<script type="module" src="/dist/converse.min.js"></script>')
  }
  const page = `<!doctype html><meta charset="utf-8"><title>${host}</title>${scripts.join('')}<body></body>`
  const policy = host === 'converse' ? forConverse(websocket) : strict(websocket)
  const find = async (path: string): Promise<string | Buffer | undefined> => {
    if (path === '/') return page
    if (path === '/page.js') return output[0].code
    if (host !== 'converse' || !path.startsWith('/dist/')) return undefined
    return readFile(new URL(path.slice('/dist/'.length), CONVERSE)).catch(() => undefined)
  }
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const found = await find(pathname)
    response.writeHead(found === undefined ? 404 : 200, {
      'content-type':
        pathname === '/' ? 'text/html' : (TYPES[extname(pathname)] ?? 'application/octet-stream'),
      'content-security-policy': policy,
    })
    response.end(found)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
