// Two tabs share one store. Each message takes a number that must never be used twice, and causes a receipt that
// must be sent, whatever the network does meanwhile.
import { effectQueue, memoryStore, scoped, update } from '@xmpp-e2e/store'

// One store for everything; every account and scheme gets a scope of its own.
const store = scoped(memoryStore(), 'juliet@capulet.lit/counter')

let online = false
const queue = effectQueue({
  store,
  random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
  clock: {
    now: Date.now,
    after(ms, f) {
      const timer = setTimeout(f, ms)
      return () => clearTimeout(timer)
    },
  },
  async handle(effect) {
    if (!online) throw new Error('offline')
    console.log(`sent: ${effect.kind} ${effect.payload[0]} to ${effect.lane}`)
  },
})

// Reads, decides, commits: new state and effect together, or neither. It runs again if another tab was faster.
const take = () =>
  update(store, ['last'], async ([last], reader) => {
    const number = (last?.[0] ?? 0) + 1 // one byte, to keep this short
    const payload = Uint8Array.of(number)
    const lane = 'romeo@montague.lit'
    const receipt = await queue.add(reader, [{ lane, kind: 'receipt', key: `${number}`, payload }])
    return { put: [['last', payload], ...receipt], result: number }
  })

const taken = await Promise.all([take(), take(), take()])
console.log('taken:', taken.sort().join(', '))

const offline = await queue.run()
console.log(`offline: ${offline.failed.length} failed, ${(await queue.list()).length} still wait`)

online = true
await queue.retry()
await queue.run()
console.log(`online: ${(await queue.list()).length} wait`)
