/**
 * The façade on LevelDB, in a process that is killed; its correspondent, in this process, goes on. What was acknowledged
 * must be there afterwards, and no key may be used twice.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { killAgainAndAgain } from '../src/facade-kills.ts'
import { buildFacadeProgram, type FacadeProgram } from '../src/facade-program.ts'

const KILLS = 50

let program: FacadeProgram
let directory: string
beforeAll(async () => {
  program = await buildFacadeProgram()
  directory = await mkdtemp(join(tmpdir(), 'xmpp-e2e-facade-'))
})
afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
  await program?.remove()
})

test(`${KILLS} times kill -9: one device, nothing lost, no key twice`, async () => {
  const { heard, said } = await killAgainAndAgain({ kind: 'level', directory, program }, KILLS)
  expect(Math.min(heard, said)).toBeGreaterThan(KILLS)
  console.log(`level: ${KILLS} kills, ${heard} heard, ${said} said`)
})
