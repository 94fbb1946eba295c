/** This device at rest: its id, its identity, and since when there is what (XEP-0384 §5.1). */
import type { Clock, Store } from '@xmpp-e2e/store'
import type { Random } from '../bytes.ts'
import type { Identity } from '../identity-key.ts'
import type { Self } from '../session.ts'

/** @internal */
export interface OwnDevice extends Self {
  readonly identity: Identity
  readonly deviceId: number
  /** Of the identity, lower-case hex. */
  readonly fingerprint: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly label: string | undefined
  /** Whether the id was ever published: until then it may still change (XEP-0384 §6). */
  readonly announced: boolean
}

/** @internal What is needed before there is an account. */
export interface DeviceParts {
  readonly store: Store
  readonly random: Random
  readonly clock: Clock
}

/** @internal The stored device, or a new one, which is stored. Never touches the network. @throws OmemoError `state-malformed` */
export async function openDevice(_parts: DeviceParts, _label: string | undefined): Promise<OwnDevice> {
  throw new Error('to be written')
}
