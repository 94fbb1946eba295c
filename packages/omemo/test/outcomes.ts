/** Outcomes of `decrypt`, taken apart. */
import { text } from '@xmpp-e2e/xml'
import type { Account } from '../src/account.ts'
import type { Decrypted, DecryptedMessage } from '../src/outcome.ts'

export function message(decrypted: Decrypted): DecryptedMessage {
  if (decrypted.kind !== 'message') throw new Error(`no message: ${JSON.stringify(decrypted)}`)
  return decrypted
}

export function unreadable(decrypted: Decrypted) {
  if (decrypted.kind !== 'unreadable') throw new Error(`not unreadable: ${JSON.stringify(decrypted)}`)
  return decrypted
}

/** What people would see, or why they see nothing. */
export function seen(decrypted: Decrypted): string {
  switch (decrypted.kind) {
    case 'message':
      return decrypted.content.map((el) => text(el)).join(' ')
    case 'silent':
      return `(${decrypted.why})`
    case 'unreadable':
      return `(${decrypted.code})`
  }
}

/** What waits to be done: kinds, and for empty messages why they are sent. */
export async function waiting({ effects }: Account): Promise<readonly string[]> {
  const queued = await effects.list()
  return queued.map(({ kind, key }) => (kind === 'send-empty' ? (key.split(' ')[0] as string) : kind)).sort()
}
