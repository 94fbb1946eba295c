/** Programs of this repository in C, translated where they are needed: they are small. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** Callbacks have parameters for everybody. */
const WARNINGS = ['-Wall', '-Wextra', '-Wno-unused-parameter', '-Werror']

/** A program in a directory of its own. */
export interface Program {
  readonly path: string
  remove(): Promise<void>
}

/**
 * `libraries` are names that pkg-config knows; `links` are others.
 *
 * @throws {Error} with what the compiler says: any warning is an error
 */
export async function buildC(
  source: string,
  libraries: readonly string[],
  links: readonly string[],
): Promise<Program> {
  const directory = await mkdtemp(join(tmpdir(), 'xmpp-e2e-interop-'))
  const remove = () => rm(directory, { recursive: true, force: true })
  try {
    const flags = await run('pkg-config', ['--cflags', '--libs', ...libraries])
    const path = join(directory, 'program')
    const found = flags.stdout.split(/\s+/).filter((flag) => flag !== '')
    await run('gcc', ['-std=gnu11', '-O2', ...WARNINGS, '-o', path, source, ...found, ...links])
    return { path, remove }
  } catch (error) {
    await remove()
    throw error
  }
}
