// Juliet has verified her tablet. On her laptop she meets the keys in Romeo's device list, of which his phone's is one and
// the server's another, and scans the phone's code. One scan settles what is encrypted to, on both of her devices.
import {
  automaticTrustManagement,
  decideKey,
  decodeKey,
  decodeWaiting,
  type Endpoint,
  encodeKey,
  encodeWaiting,
  formatFingerprint,
  formatKeyUri,
  type Keyring,
  type KeyringStep,
  meetKey,
  noticeElement,
  parseKeyUri,
  receiveTrustMessage,
  TrustError,
  trustMessage,
} from '@xmpp-e2e/trust'
import { qrModules } from '@xmpp-e2e/trust/qr'
import { bare } from '@xmpp-e2e/xml'

const juliet = bare('juliet@capulet.lit')
const romeo = bare('romeo@montague.lit')
// Fingerprints come from the encryption; these are made up.
const [laptop, tablet, phone, intruder] = ['1a', '1b', '2a', 'ee'].map((byte) => byte.repeat(32)) as [
  string,
  string,
  string,
  string,
]

/** One of Juliet's devices: its keyring as it was stored, and a store for what steps change. */
function device(fingerprint: string, stored = new Map<string, Uint8Array>()) {
  const policy = automaticTrustManagement
  const endpoint: Endpoint = { account: juliet, protocol: 'urn:xmpp:omemo:2', fingerprint, policy }
  const keys = [...stored].filter(([name]) => name !== 'waiting').map(([, bytes]) => decodeKey(bytes))
  const waiting = stored.get('waiting')
  let keyring: Keyring = { keys, waiting: waiting ? decodeWaiting(waiting) : [] }
  return {
    stored,
    take(step: (keyring: Keyring, endpoint: Endpoint) => KeyringStep): KeyringStep {
      const done = step(keyring, endpoint)
      // In an application: in one commit with the message, or the scan, that caused the step.
      for (const key of done.changed) stored.set(`key ${key.owner} ${key.fingerprint}`, encodeKey(key))
      stored.set('waiting', encodeWaiting(done.keyring.waiting))
      keyring = done.keyring
      return done
    },
    sendsTo: () => keyring.keys.filter((key) => key.owner === romeo && policy.maySend(key.level)).length,
    level: (wanted: string) => keyring.keys.find((key) => key.fingerprint === wanted)?.level,
  }
}

const onLaptop = device(laptop)
const onTablet = device(tablet)
const now = new Date()
const verified = { level: 'verified', by: 'compare', at: now } as const
onLaptop.take((k, e) => decideKey(k, e, { key: { owner: juliet, fingerprint: tablet }, ...verified }))
onTablet.take((k, e) => decideKey(k, e, { key: { owner: juliet, fingerprint: laptop }, ...verified }))

for (const { take } of [onLaptop, onTablet])
  for (const fingerprint of [phone, intruder]) take((k, e) => meetKey(k, e, { owner: romeo, fingerprint }))
console.log(`before: encrypts to ${onLaptop.sendsTo()} keys of Romeo, blindly`)

// Romeo's phone shows its code; Juliet's laptop scans it, in the chat with Romeo.
const code = formatKeyUri({ jid: romeo, claims: [{ kind: 'omemo', device: 7, fingerprint: phone }] })
console.log(`a code of ${qrModules(code).length} modules a side`)
const notices = parseKeyUri(code, romeo).claims.flatMap((claim) => {
  if (claim.kind !== 'omemo') return []
  console.log(`scanned ${formatFingerprint('omemo', claim.fingerprint).slice(0, 17)} …`)
  const key = { owner: romeo, fingerprint: claim.fingerprint }
  return onLaptop.take((k, e) => decideKey(k, e, { key, level: 'verified', by: 'scan', at: now })).notices
})
console.log(`laptop: phone ${onLaptop.level(phone)}, intruder ${onLaptop.level(intruder)}`)

// The encryption puts each notice into an envelope for its recipients alone, and takes it out there.
for (const notice of notices.filter(({ to }) => to === juliet)) {
  const message = trustMessage.decode(noticeElement(notice, 'urn:xmpp:omemo:2'))
  const sender = { owner: juliet, fingerprint: laptop }
  onTablet.take((k, e) => receiveTrustMessage(k, e, { message, sender, at: now, now }))
}
const restarted = device(tablet, onTablet.stored)
console.log(`tablet, restarted: phone ${restarted.level(phone)}, intruder ${restarted.level(intruder)}`)

try {
  parseKeyUri(code.replace('romeo@', 'r0meo@'), romeo)
} catch (error) {
  if (error instanceof TrustError) console.log(`another code: ${error.code}`)
}
