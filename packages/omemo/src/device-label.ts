/**
 * Labels of devices: what their owners call them, signed with the identity key (XEP-0384 §5.3.1; omemo:2 only).
 *
 *     <device id='12345' label='Phone' labelsig='…base64 of 64 bytes…'/>
 *
 * They are opt-in. Schemas before 0.9 name no `labelsig`, and a reader that checks against one, such as the twomemo
 * 1.0.3 of Debian, refuses the whole list: for its users we then have no device.
 */
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { type CurveStep, verify } from './curve.ts'
import { type Identity, type IdentityKey, sign } from './identity-key.ts'
import { type Device, MAX_LABEL_LENGTH } from './stanza/device-list.ts'

/**
 * A label for this device and its signature, to be spread into its entry of the device list.
 *
 * @throws RangeError when the label has more than `MAX_LABEL_LENGTH` code points, shows nothing, or would be
 *   signed like a signed prekey: nothing but the length tells the two signatures of one key apart, so somebody who
 *   chose such a label for us would have our signature on a prekey
 */
export function signedLabel(
  identity: Identity,
  label: string,
): Pick<Required<Device>, 'label' | 'labelSignature'> {
  assertLabel(label)
  return { label, labelSignature: sign(identity, utf8ToBytes(label)) }
}

/**
 * The label to show for a device: `undefined` when there is none, its signature is not good, or it shows nothing.
 * Shortened to `MAX_LABEL_LENGTH`, without control, formatting and line-breaking characters, which could make it
 * look like something else.
 *
 * @param identityKey The device's, as its omemo:2 bundle has it.
 * @throws OmemoError `key-invalid`
 */
export function* verifiedLabel(identityKey: IdentityKey, device: Device): CurveStep<string | undefined> {
  const { label, labelSignature } = device
  if (label === undefined || labelSignature === undefined) return undefined
  const good = yield* verify(labelSignature, utf8ToBytes(label), identityKey.edwards)
  return good ? displayed(label) : undefined
}

function assertLabel(label: string): void {
  const length = [...label].length
  if (length > MAX_LABEL_LENGTH)
    throw new RangeError(`label: expected at most ${MAX_LABEL_LENGTH} code points, got ${length}`)
  if (displayed(label) === undefined) throw new RangeError('label: expected characters that can be seen')
  if (isSignedLikePreKey(utf8ToBytes(label)))
    throw new RangeError(
      'label: its UTF-8 has the form of a prekey, and the signatures of both could be swapped',
    )
}

// Any 32 bytes are a prekey of omemo:2, and 05 before 32 bytes one of 0.3: one identity key signs for both.
function isSignedLikePreKey(message: Uint8Array): boolean {
  return message.length === 32 || (message.length === 33 && message[0] === 0x05)
}

/** White space, all that Unicode tells to ignore (Hangul fillers are among it), and the Braille pattern of no dots. */
const BLANK = /^[\p{White_Space}\p{Default_Ignorable_Code_Point}\u2800]*$/u

function displayed(label: string): string | undefined {
  // U+200C and U+200D are formatting too, but scripts and emoji need them, and they cannot reorder anything.
  const plain = label.replace(/[\p{Cc}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu, '').trim()
  const shown = [...plain].slice(0, MAX_LABEL_LENGTH).join('')
  return BLANK.test(shown) ? undefined : shown
}
