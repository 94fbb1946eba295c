/**
 * The façade on PostgreSQL, in a process that is killed; its correspondent, in this process, goes on. What was
 * acknowledged must be there afterwards, and no key may be used twice.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { killAgainAndAgain, type Place } from '../src/facade-kills.ts'
import { buildFacadeProgram, type FacadeProgram } from '../src/facade-program.ts'
import { type PostgresServer, startPostgres } from '../src/postgres-server.ts'

const KILLS = 50

let program: FacadeProgram
let server: PostgresServer
let place: Place
beforeAll(async () => {
  program = await buildFacadeProgram()
  server = await startPostgres()
  place = { kind: 'postgres', directory: server.host, program }
})
afterAll(async () => {
  await server?.stop()
  await program?.remove()
})

test(`${KILLS} times kill -9: one device, nothing lost, no key twice`, async () => {
  const { heard, said } = await killAgainAndAgain(place, KILLS)
  expect(Math.min(heard, said)).toBeGreaterThan(KILLS)
  console.log(`postgres: ${KILLS} kills, ${heard} heard, ${said} said`)
})
