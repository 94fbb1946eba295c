/**
 * The domainpart of a JID: RFC 7622 §3.2, with the mappings of RFC 5895 §2 and the labels of RFC 5890 §2.3.
 *
 * Deviations:
 * - RFC 5892's "unstable" characters are those that lower case and NFC leave and NFKC does not.
 * - ASCII labels with `--` in the third and fourth place other than `xn--` are accepted; hosts have such names.
 * - The 63 octets of a label are counted in ASCII labels only; in others, 59 characters, as many as can fit.
 * - What looks like an IPv4 address is read as a name: `256.1.1.1` passes.
 * - IPv6 addresses are compared as lower-case text: `[::1]` is not `[0::1]`.
 */

import { isIdentifier, isRightToLeft, mapWidth, obeysBidiRule } from './jid-characters.ts'

/** RFC 1034 §3.1: a label is at most 63 octets. */
const MAX_LABEL = 63

/** The canonical form, or `undefined` when there is none. Length is left to the caller. */
export function canonicalDomain(text: string): string | undefined {
  if (text.startsWith('[')) return canonicalIpv6(text)
  // One dot: RFC 7622 §3.2 strips "a final character considered to be a label separator".
  const name = mapDomain(text).replace(/\.$/, '')
  const labels = name.split('.').map(canonicalLabel)
  if (!labels.every((label) => label !== undefined)) return undefined
  const joined = labels.join('.')
  // RFC 5893 §1.4: in a name with one right-to-left label the rule holds for every label.
  return isRightToLeft(joined) && !labels.every(obeysBidiRule) ? undefined : joined
}

// RFC 5895 §2, steps 1 to 3; step 4 maps the ideographic full stop.
function mapDomain(text: string): string {
  return /^[\x21-\x7e]*$/.test(text)
    ? text.toLowerCase()
    : mapWidth(text.toLowerCase()).normalize('NFC').replaceAll('\u3002', '.')
}

function canonicalLabel(label: string): string | undefined {
  if (/^[a-z0-9-]+$/.test(label)) {
    if (label.length > MAX_LABEL || label.startsWith('-') || label.endsWith('-')) return undefined
    return label.startsWith('xn--') ? decodeALabel(label.slice(4)) : label
  }
  return isULabel(label) ? label : undefined
}

function isULabel(label: string): boolean {
  return (
    label !== '' &&
    !/[\0-,./:-`{-\x7f]|^-|-$|^..--|^\p{M}/u.test(label) &&
    isIdentifier(label) &&
    mapDomain(label) === label &&
    Array.from(label).length <= MAX_LABEL - 'xn--'.length
  )
}

// RFC 7622 §3.2.1: an A-label "MUST be converted to a U-label". One that hides unmapped text is neither.
function decodeALabel(encoded: string): string | undefined {
  const label = decodePunycode(encoded)
  return label !== undefined && isULabel(label) ? label : undefined
}

/** RFC 3492 §6.2, of lower-case input; the parameters are those of §5. */
function decodePunycode(input: string): string | undefined {
  const basic = Math.max(0, input.lastIndexOf('-'))
  const output = Array.from(input.slice(0, basic))
  let codePoint = 128
  let bias = 72
  let index = 0
  for (let at = basic > 0 ? basic + 1 : 0; at < input.length; ) {
    const start = index
    for (let weight = 1, k = 36; ; k += 36) {
      const digit = '0123456789'.includes(input[at] ?? '')
        ? input.charCodeAt(at) - 22
        : input.charCodeAt(at) - 97
      at += 1
      // Past the end the code is NaN.
      if (!(digit >= 0 && digit < 36)) return undefined
      index += digit * weight
      const threshold = Math.min(26, Math.max(1, k - bias))
      if (digit < threshold) break
      weight *= 36 - threshold
    }
    const length = output.length + 1
    bias = adapt(index - start, length, start === 0)
    codePoint += Math.floor(index / length)
    // The overflow of §6.4, too: whatever a double no longer counts exactly is far above this.
    if (codePoint > 0x10ffff) return undefined
    index %= length
    output.splice(index, 0, String.fromCodePoint(codePoint))
    index += 1
  }
  return output.join('')
}

function adapt(delta: number, length: number, first: boolean): number {
  let rest = Math.floor(delta / (first ? 700 : 2))
  rest += Math.floor(rest / length)
  let k = 0
  for (; rest > 455; k += 36) rest = Math.floor(rest / 35)
  return k + Math.floor((36 * rest) / (rest + 38))
}

/** RFC 4291 §2.2; a zone (RFC 6874) has no place in a JID. */
function canonicalIpv6(text: string): string | undefined {
  // An embedded IPv4 address stands for two groups.
  const address = text
    .slice(1, -1)
    .replace(/(?<=:)(\d{1,3}\.){3}\d{1,3}$/, (ipv4) =>
      ipv4.split('.').every((octet) => Number(octet) < 256) ? '0:0' : ipv4,
    )
  const halves = address.split('::')
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  const complete = halves.length === 2 ? groups.length <= 7 : halves.length === 1 && groups.length === 8
  const valid = text.endsWith(']') && complete && groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))
  return valid ? text.toLowerCase() : undefined
}
