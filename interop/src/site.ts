/** A page and its script on a loopback port of its own, under a Content-Security-Policy that allows nothing else. */
import { createServer } from 'node:http'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

/** Neither `eval` nor WebAssembly, no inline script, nothing from elsewhere. */
export const STRICT_CSP = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'"

export interface Site {
  readonly url: string
  close(): Promise<void>
}

/** What is at a path: text, bytes, or nothing. */
type Find = (path: string) => Promise<string | Buffer | undefined>

/** Serves a page that loads `script`, a TypeScript module that is bundled with all that it imports, as `/page.js`. */
export async function serveSite(script: URL): Promise<Site> {
  const code = await bundle(script)
  const html = '<!doctype html><meta charset="utf-8"><script type="module" src="/page.js"></script>'
  return serve(async (path) => (path === '/' ? html : path === '/page.js' ? code : undefined), STRICT_CSP)
}

/** A script for browsers, with all that it imports. */
export async function bundle(script: URL): Promise<string> {
  const { output } = await build({ input: fileURLToPath(script), write: false, platform: 'browser' })
  return output[0].code
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
}

/** Serves what `find` finds, HTML at `/`, all of it under one policy. */
export async function serve(find: Find, policy: string): Promise<Site> {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const found = await find(pathname)
    const type = pathname === '/' ? 'text/html' : TYPES[extname(pathname)]
    response.writeHead(found === undefined ? 404 : 200, {
      'content-type': type ?? 'application/octet-stream',
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
