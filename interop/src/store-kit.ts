/**
 * Runs the conformance kit against a durable store, without a test runner, on whatever runtime this is started with:
 * one line of JSON for each check, `{ "name" }` or `{ "name", "error" }`, and `{ "done": <count> }` after the last.
 *
 *     <runtime> store-kit.js <store> <directory>
 */
import process from 'node:process'
import type { Store } from '@xmpp-e2e/store'
import { conformance } from '@xmpp-e2e/store/conformance'
import { type OpenStore, openStore, STORES } from './disk-stores.ts'

const [kind, directory = ''] = process.argv.slice(2)
const known = STORES.find((each) => each === kind)
if (!known) throw new Error(`store: ${kind} is none`)

interface Handle extends OpenStore {
  readonly name: string
}

let names = 0
const handles = new Map<Store, Handle>()
const open = async (name = `${++names}`): Promise<Store> => {
  const { store, close } = await openStore(known, directory, name)
  handles.set(store, { store, close, name })
  return store
}
const close = async (store: Store): Promise<void> => handles.get(store)?.close()

const checks = conformance({
  open: () => open(),
  close,
  async reopen(store) {
    await close(store)
    return open(handles.get(store)?.name)
  },
  // A directory of LevelDB has room for one.
  ...(known !== 'level' && { peer: (store: Store) => open(handles.get(store)?.name) }),
})
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
for (const { name, run } of checks)
  await run().then(
    () => say({ name }),
    (error: Error) => say({ name, error: `${error.message}` }),
  )
say({ done: checks.length })
