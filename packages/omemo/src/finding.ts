/** What `diagnose` can find, in words: what it means, and what to do about it. */
import type { BareJid } from '@xmpp-e2e/xml'
import type { SkipCode } from './outcome.ts'
import { AXOLOTL, type Namespace, OMEMO_2 } from './protocol.ts'

/** What can be found; `says` of a finding explains it. */
export type FindingCode =
  | 'offline'
  | 'list-missing'
  | 'list-empty'
  | 'devices-missing'
  | 'list-forbidden'
  | 'list-malformed'
  | 'list-unavailable'
  | 'list-changed'
  | 'bundle-missing'
  | 'bundle-unavailable'
  | 'bundle-malformed'
  | 'bundle-signature-invalid'
  | 'bundle-without-pre-keys'
  | 'key-invalid'
  | 'pre-keys-few'
  | 'pre-key-id-zero'
  | 'identity-changed'
  | 'identities-differ'
  | 'identity-is-own'
  | 'key-undecided'
  | 'key-distrusted'
  | 'key-trusted'
  | 'session-missing'
  | 'session-pending'
  | 'session-unanswered'
  | 'opted-out'
  | 'follow-ups-waiting'
  | 'follow-ups-parked'
  | 'catch-up-open'
  | 'own-device-unlisted'
  | 'own-node-closed'
  | 'own-bundle-missing'
  | 'own-bundle-unreadable'
  | 'own-bundle-foreign'
  | 'own-bundle-outdated'
  | 'own-bundle-good'

/** One thing that was found. */
export interface Finding {
  /** `error`: messages do not get through. `warning`: some do not, or will not. `info`: as it should be, or nearly. */
  readonly severity: 'error' | 'warning' | 'info'
  readonly code: FindingCode
  readonly jid: BareJid
  readonly device?: number | undefined
  readonly namespace?: Namespace | undefined
  /** A sentence in English about what was found; before it the version, `omemo:2` or `0.3`, where it is about one. */
  readonly says: string
  /** A sentence in English about what helps; empty when there is nothing to be done. */
  readonly todo: string
}

type Row = readonly [severity: Finding['severity'], says: string, todo: string]

const START = 'Call start(), or connect anew: it publishes what is missing.'
const THEIRS = 'Only their client can change it: ask them to open it, or to update it.'
const LATER = 'Try again later.'

const FINDINGS: Readonly<Record<FindingCode, Row>> = {
  // The network.
  offline: [
    'error',
    'There is no session: only what is stored was looked at.',
    'Connect, and diagnose again.',
  ],

  // Lists.
  'list-missing': ['info', 'There is no device list.', ''],
  'list-empty': ['info', 'The device list has no device in it.', ''],
  'devices-missing': ['error', 'No device of this account speaks OMEMO.', THEIRS],
  'list-forbidden': [
    'error',
    'The device list may not be read: its access model is not open.',
    `${THEIRS} Seeing each other's presence may help.`,
  ],
  'list-malformed': ['error', 'The device list cannot be understood.', THEIRS],
  'list-unavailable': ['warning', 'The device list could not be read just now.', LATER],
  'list-changed': [
    'info',
    'The device list is another one than the last that was seen here.',
    'The next message goes to the devices in it.',
  ],

  // Bundles and keys.
  'bundle-missing': ['error', 'The device is listed, but has no bundle.', THEIRS],
  'bundle-unavailable': ['warning', 'The bundle could not be read just now.', LATER],
  'bundle-malformed': ['error', 'The bundle cannot be understood.', THEIRS],
  'bundle-signature-invalid': [
    'error',
    'The signed prekey is not signed by the identity key in the bundle: somebody may have changed it.',
    'Do not verify this device before you know why.',
  ],
  'bundle-without-pre-keys': [
    'error',
    'The bundle has no prekeys left, so that no session can be opened.',
    THEIRS,
  ],
  'key-invalid': ['error', 'A key in the bundle is none.', THEIRS],
  'pre-keys-few': ['warning', 'The bundle has few prekeys left.', THEIRS],
  'pre-key-id-zero': [
    'warning',
    'The bundle has a key with the id 0, which many clients cannot read a message for.',
    THEIRS,
  ],
  'identity-changed': [
    'warning',
    'The device has another key than it had before: it was set up anew, or somebody else is behind it.',
    'Compare fingerprints, and decide about the new key.',
  ],
  'identities-differ': [
    'error',
    'The device has one key in one namespace and another one in the other.',
    'Two devices may use one id. Only their owner can tell them apart, and set up one of them anew.',
  ],
  'identity-is-own': [
    'error',
    'The device has the key of this device: a copied profile.',
    'Stop one of the two, and call reset({ keepIdentity: false }) on the other.',
  ],
  'key-undecided': ['warning', 'Nobody has decided about the key of this device.', 'Decide about it.'],
  'key-distrusted': ['warning', 'The key of this device is distrusted.', 'Decide again if that is wrong.'],
  'key-trusted': ['info', 'Messages are encrypted to the key of this device.', ''],

  // Sessions.
  'session-missing': ['info', 'There is no session with this device.', 'The next message opens one.'],
  'session-pending': [
    'info',
    'A session was opened, and the device has not answered yet.',
    'If it never does, replaceSession opens another one.',
  ],
  'session-unanswered': [
    'warning',
    'The device has not answered for so long that nothing is encrypted to it.',
    'It has to write first, or call replaceSession.',
  ],

  // What is stored here.
  'opted-out': [
    'warning',
    'The contact asks for messages in plain text.',
    'Ask the person, then call optIn.',
  ],
  'follow-ups-waiting': ['info', 'Something is still to be sent.', 'It is sent when there is a connection.'],
  'follow-ups-parked': [
    'warning',
    'Something could not be sent, and was given up.',
    'Connect anew: it is tried again then.',
  ],
  'catch-up-open': [
    'info',
    'Catch-up is open, which keeps used prekeys.',
    'Call endCatchUp when the archive was read.',
  ],

  // The own device.
  'own-device-unlisted': ['error', 'This device is not in the list of its account.', START],
  'own-node-closed': ['error', 'Others cannot read it: the access model of the node is not open.', START],
  'own-bundle-missing': ['error', 'The bundle of this device is not published.', START],
  'own-bundle-unreadable': [
    'error',
    'What is published as the bundle of this device cannot be understood.',
    START,
  ],
  'own-bundle-foreign': [
    'error',
    'The published bundle has another identity key: another device uses this id.',
    'If you have copied the profile, stop one of the two. Otherwise call reset({ keepIdentity: true }).',
  ],
  'own-bundle-outdated': [
    'warning',
    'The published bundle offers keys that this device does not have (any more).',
    START,
  ],
  'own-bundle-good': ['info', 'The bundle of this device is published.', ''],
}

const VERSIONS: Readonly<Record<Namespace, string>> = { [OMEMO_2]: 'omemo:2', [AXOLOTL]: '0.3' }

/** @internal */
export function finding(code: FindingCode, about: Pick<Finding, 'jid' | 'device' | 'namespace'>): Finding {
  const [severity, found, todo] = FINDINGS[code]
  const { jid, device, namespace } = about
  return {
    severity,
    code,
    jid,
    ...(device !== undefined && { device }),
    ...(namespace !== undefined && { namespace }),
    says: namespace === undefined ? found : `${VERSIONS[namespace]}: ${found}`,
    todo,
  }
}

/** @internal What a bundle that could not be used is called here. */
export function bundleFinding(code: SkipCode): FindingCode {
  switch (code) {
    case 'bundle-missing':
    case 'bundle-malformed':
    case 'bundle-signature-invalid':
    case 'bundle-without-pre-keys':
    case 'key-invalid':
      return code
    case 'identity-mismatch':
      return 'identity-is-own'
    default:
      return 'bundle-unavailable'
  }
}
