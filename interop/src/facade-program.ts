/** `facade-worker.ts` as one file, with all of this repository that it imports: it starts in half the time. */
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'
import { atEnd } from './at-end.ts'

export interface FacadeProgram {
  /** Its path. */
  readonly file: string
  remove(): Promise<void>
}

/** Below this package, so that it finds the databases that are imported as they are. */
const OUTPUT = fileURLToPath(new URL('../dist/', import.meta.url))
const DATABASES = ['classic-level', '@libsql/client', 'pg']

export async function buildFacadeProgram(): Promise<FacadeProgram> {
  await mkdir(OUTPUT, { recursive: true })
  const directory = await mkdtemp(join(OUTPUT, 'facade-'))
  const forget = atEnd(() => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'worker.js')
  await build({
    input: fileURLToPath(new URL('../src/facade-worker.ts', import.meta.url)),
    platform: 'node',
    external: DATABASES,
    output: { file, format: 'esm', codeSplitting: false },
  })
  return {
    file,
    async remove() {
      await rm(directory, { recursive: true, force: true })
      forget()
    },
  }
}
