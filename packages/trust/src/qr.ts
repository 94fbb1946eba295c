/**
 * QR codes, ISO/IEC 18004, as data: draw them with whatever the application draws with.
 *
 * A URI of `formatKeyUri` is what to put into one. Nothing here needs a canvas, an image or inline styles.
 */

import { encodeQR } from 'qr'
import { TrustError } from './error.ts'

export interface QrOptions {
  /** How much of the code may be unreadable: 7, 15, 25 or 30 %. `medium` unless given. */
  readonly correction?: 'low' | 'medium' | 'quartile' | 'high' | undefined
}

/**
 * Rows of modules, `true` where it is dark; as many columns as rows, 21 to 177. The quiet zone is not included: leave
 * four light modules on all sides. Always dark on light, also in a dark theme: many scanners read nothing else.
 *
 * @throws {TrustError} `qr-too-long` for more than 2953 bytes of UTF-8 with `low` correction, 2331 with `medium`
 */
export function qrModules(text: string, options: QrOptions = {}): readonly (readonly boolean[])[] {
  const { correction = 'medium' } = options
  if (!['low', 'medium', 'quartile', 'high'].includes(correction))
    throw new RangeError('correction: expected low, medium, quartile or high')
  if (text === '') throw new RangeError('text: expected one character or more')
  if (text.length > MAX_DIGITS) throw tooLong()
  const encoded = utf8(text)
  try {
    // The library insists on a border.
    const framed = encodeQR(text, 'raw', { ecc: correction, border: 1, scale: 1, textEncoder: () => encoded })
    return framed.slice(1, -1).map((row) => row.slice(1, -1))
  } catch (cause) {
    throw tooLong({ cause })
  }
}

/** What the largest code holds of what needs least room: digits, with `low` correction. */
const MAX_DIGITS = 7089

const tooLong = (options?: ErrorOptions): TrustError =>
  new TrustError('qr-too-long', 'qr: the text does not fit', options)

/**
 * The same as the `d` of an SVG `<path/>` in a `viewBox` of one unit a module: `0 0 size size`, with four more on
 * each side for the quiet zone. Set it as an attribute; a strict CSP has nothing against that.
 */
export function qrPath(modules: readonly (readonly boolean[])[]): string {
  return modules
    .flatMap((row, y) =>
      row.flatMap((dark, x) => {
        if (!dark || row[x - 1]) return []
        const end = row.indexOf(false, x)
        const width = (end < 0 ? row.length : end) - x
        return [`M${x} ${y}h${width}v1h-${width}z`]
      }),
    )
    .join('')
}

/** The library would ask the host for a `TextEncoder`. */
function utf8(text: string): Uint8Array {
  if (/\p{Cs}/u.test(text)) throw new RangeError('text: a lone surrogate')
  return Uint8Array.from(encodeURIComponent(text).match(/%..|./g) ?? [], (part) =>
    part.length > 1 ? Number.parseInt(part.slice(1), 16) : part.charCodeAt(0),
  )
}
