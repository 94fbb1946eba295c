/**
 * Debian's Chromium as a child of this process, driven by playwright-core over its debugging port: its profile is in a
 * directory that can outlive it, so that it can be killed and started again on what it has left there.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium } from 'playwright-core'
import { atEnd } from './at-end.ts'

const CHROMIUM = '/usr/bin/chromium'
/** It needs two seconds on a quiet machine. */
const START_MS = 45_000

export interface Chromium {
  /** Its one profile. */
  readonly context: BrowserContext
  /** SIGKILL to all of its processes; resolves when they have ended. */
  kill(): Promise<void>
}

/** A directory for a profile, removed when this process ends at the latest. */
export function profile(): { readonly directory: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'xmpp-e2e-chromium-'))
  const removeNow = () => rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  const forget = atEnd(removeNow)
  return {
    directory,
    remove() {
      removeNow()
      forget()
    },
  }
}

/** The file in which Chromium writes what changes in the IndexedDB of an origin; `undefined` where there is none yet. */
export function databaseLog(directory: string, url: string): string | undefined {
  const { protocol, hostname, port } = new URL(url)
  const origin = `${protocol.slice(0, -1)}_${hostname}_${port}`
  const files = join(directory, 'Default', 'IndexedDB', `${origin}.indexeddb.leveldb`)
  const names = existsSync(files) ? readdirSync(files).filter((name) => name.endsWith('.log')) : []
  const last = names.sort().at(-1)
  return last && join(files, last)
}

/** @throws {Error} with what it said, when it does not start. */
export async function startChromium(directory: string): Promise<Chromium> {
  const flags = [
    ...['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
    ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ...['--password-store=basic', '--remote-debugging-port=0', `--user-data-dir=${directory}`],
  ]
  // A group of its own, so that its many processes can be ended together.
  const child = spawn(CHROMIUM, [...flags, 'about:blank'], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise<void>((resolve) => {
    child.on('error', () => resolve())
    child.on('close', () => resolve())
  })
  const killNow = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // Nobody is left.
    }
  }
  const forget = atEnd(killNow)
  const kill = async () => {
    killNow()
    await ended
    forget()
  }
  let said = ''
  let timer: NodeJS.Timeout | undefined
  const listening = new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      const endpoint = /DevTools listening on (ws:\S+)/.exec(said)?.[1]
      if (endpoint !== undefined) resolve(endpoint)
    })
    const failed = () => reject(new Error(`Chromium did not start\n${said}`))
    void ended.then(failed)
    timer = setTimeout(failed, START_MS)
  })
  try {
    const browser = await chromium.connectOverCDP(await listening)
    return { context: browser.contexts()[0]!, kill }
  } catch (error) {
    await kill()
    throw error
  } finally {
    clearTimeout(timer)
  }
}
