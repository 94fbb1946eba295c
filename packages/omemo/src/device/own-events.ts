/**
 * Staying in the lists of the account (XEP-0384 §5.3.1): several devices share them, and the last to write wins. So each
 * looks at what is told of them, and puts itself back: after a random while, lest two do so at once, and not for ever,
 * since another client may take it out each time.
 */
import type { PepEvent } from '@xmpp-e2e/disco/pep'
import { type Account, change } from '../account.ts'
import { randomBelow } from '../bytes.ts'
import { records } from '../record.ts'
import { announceAgain } from './announcement.ts'
import { ASK_TIMEOUT_MS } from './asking.ts'
import { readContacts } from './contact.ts'
import { fetchList, namespaceOf, storeList, toldList } from './device-lists.ts'
import { isOpen } from './own-bundle.ts'
import { deviceOf } from './own-device.ts'
import { encodeUpkeep, upkeepOf } from './upkeep.ts'

/** How often this device puts itself back into lists within `REANNOUNCE_WINDOW_MS`. Honest races end after two or three. */
export const MAX_REANNOUNCEMENTS = 10

/** Milliseconds, an hour. */
export const REANNOUNCE_WINDOW_MS = 3_600_000

/** Milliseconds: so long at most until it does, at random. Ten devices that do so at once have half a second each. */
export const REANNOUNCE_JITTER_MS = 5_000

/** @internal What came of the lists of the own account. */
export async function onOwnEvent(account: Account, event: PepEvent): Promise<void> {
  const namespace = namespaceOf(event.node)
  if (namespace === undefined) return
  if (event.kind === 'configured') {
    if (!account.namespaces.includes(namespace) || event.config.access === 'open') return
    // Services need not say what it is now.
    const isFine = event.config.access === undefined && (await isOpen(account, event.node, asking(account)))
    if (!isFine) await comeBack(account, () => true)
    return
  }
  const devices =
    toldList(event, namespace) ?? (await fetchList(account, account.jid, namespace, asking(account))).devices
  await storeList(account, account.jid, namespace, devices)
  if (isListed(account, devices) || !account.namespaces.includes(namespace)) return
  await comeBack(account, (listed) => !listed)
}

const asking = ({ closing }: Account) => ({ signal: closing, timeoutMs: ASK_TIMEOUT_MS })

function isListed({ self }: Account, devices: readonly { readonly id: number }[]): boolean {
  return devices.some(({ id }) => id === self.deviceId)
}

/** @internal Announces anew after a while, if that is needed then, and not too often. */
async function comeBack(account: Account, isNeeded: (isListed: boolean) => boolean): Promise<void> {
  await pauseOpen(account, randomBelow(REANNOUNCE_JITTER_MS, account.random))
  if (!account.closing.aborted) await queueAnnouncement(account, isNeeded)
}

/**
 * @internal Queues an announcement, if it is needed by what is known of the lists, at most `MAX_REANNOUNCEMENTS` times in
 * `REANNOUNCE_WINDOW_MS`.
 */
export function queueAnnouncement(
  account: Account,
  isNeeded: (isListed: boolean) => boolean = (listed) => !listed,
): Promise<void> {
  return change(account, [], async (_, reader) => {
    const device = await deviceOf(reader)
    const [own] = await readContacts(reader, [account.jid])
    const listed = account.namespaces.every((namespace) =>
      own?.lists[namespace]?.devices.some(({ id }) => id === device.deviceId),
    )
    // One that was never announced, or has left, is not missing.
    if (!device.announced || !isNeeded(listed)) return { result: undefined }
    const now = account.clock.now()
    const upkeep = await upkeepOf(reader)
    const recent = upkeep.reannouncedAt.filter((at) => at <= now && now - at < REANNOUNCE_WINDOW_MS)
    if (recent.length >= MAX_REANNOUNCEMENTS) return { result: undefined }
    return {
      put: [[records.upkeep, encodeUpkeep({ ...upkeep, reannouncedAt: [...recent, now] })]],
      effects: [announceAgain()],
      result: undefined,
    }
  })
}

/** Ends early when the façade is closed, which waits for this. */
function pauseOpen({ clock, closing }: Account, ms: number): Promise<void> {
  return new Promise((resolve) => {
    if (closing.aborted) return resolve()
    const stop = () => {
      cancel()
      closing.removeEventListener('abort', stop)
      resolve()
    }
    const cancel = clock.after(ms, stop)
    closing.addEventListener('abort', stop)
  })
}
