/** One page and its script on a loopback port of its own, under a Content-Security-Policy that allows nothing else. */
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
// biome-ignore lint/correctness/noUndeclaredDependencies: the workspace has it for all of its folders
import { build } from 'rolldown'

/** Neither `eval` nor WebAssembly, no inline script, nothing from elsewhere. */
export const STRICT_CSP = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'"

export interface Site {
  readonly url: string
  close(): Promise<void>
}

/** Serves a page that loads `script`, a TypeScript module that is bundled with all that it imports, as `/page.js`. */
export async function serveSite(script: URL): Promise<Site> {
  const { output } = await build({ input: fileURLToPath(script), write: false, platform: 'browser' })
  const html = '<!doctype html><meta charset="utf-8"><script type="module" src="/page.js"></script>'
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js'
    response.writeHead(200, {
      'content-type': isScript ? 'text/javascript' : 'text/html',
      'content-security-policy': STRICT_CSP,
    })
    response.end(isScript ? output[0].code : html)
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
