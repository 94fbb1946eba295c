/** What is left when the story is over: a table, checked to add up. */
import { fact } from './fact.ts'
import { count } from './glimpse.ts'
import { type Line, table } from './screen.ts'
import type { World } from './world.ts'

/** XEP-0384 does not say how large sessions may be; this project does. Without keys of missing messages. */
const MAX_SESSION = 300

export async function outcome({ devices, ledger }: World, width: number): Promise<readonly Line[]> {
  const accounts = devices.map((device) => ledger.of(device))
  const states = await Promise.all(devices.map((device) => device.stored()))
  for (const [i, { due, read, lost }] of accounts.entries())
    fact(due === read + lost, `${devices[i]!.name}: ${due} messages sent, ${read} read, ${lost} lost`)
  fact(accounts.reduce((sum, { lost }) => sum + lost, 0) === 1, 'one copy is lost')
  for (const state of states)
    if (state) fact(state.largestSession <= MAX_SESSION, `a session takes ${state.largestSession} bytes`)

  const row = (label: string, cells: readonly (number | undefined)[]) => [
    label,
    ...cells.map((cell) => (cell === undefined ? 'its own' : count(cell))),
  ]
  return table(
    ['', ...devices.map(({ name }) => name)],
    [
      ['program', ...devices.map(({ software }) => software.split(' ')[0]!)],
      row(
        'messages written',
        accounts.map(({ written }) => written),
      ),
      row(
        'messages to read',
        accounts.map(({ due }) => due),
      ),
      row(
        '  read',
        accounts.map(({ read }) => read),
      ),
      row(
        '  lost on the way',
        accounts.map(({ lost }) => lost),
      ),
      row(
        'forged or repeated, refused',
        accounts.map(({ refused }) => refused),
      ),
      row(
        'sessions',
        states.map((state) => state?.sessions),
      ),
      row(
        'keys of missing messages',
        states.map((state) => state?.missing),
      ),
      row(
        'bytes of a session, at most',
        states.map((state) => state?.largestSession),
      ),
      row(
        'bytes of everything stored',
        states.map((state) => state?.bytes),
      ),
    ],
    width,
  )
}
