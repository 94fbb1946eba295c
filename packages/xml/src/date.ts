/** XEP-0082 §3.2, the DateTime profile: `CCYY-MM-DDThh:mm:ss[.sss]TZD`. */

/**
 * `undefined` for any other profile, a missing offset, or a moment that does not exist (30 February, hour 24,
 * second 60), or that the offset takes out of the years 0000 to 9999. Digits after the milliseconds are dropped. The colon of the offset may be missing: Profanity's
 * `<time stamp='…+0000'/>` has none (seen in XEP-0373 content), and it cannot be mistaken for anything else.
 */
export function parseDateTime(text: string): Date | undefined {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-])(0\d|1[0-4]):?([0-5]\d))$/.exec(text)
  if (!parts) return undefined
  const [, local = '', fraction = '', sign, hours = '0', minutes = '0'] = parts
  const date = new Date(`${local}.${fraction.slice(0, 3).padEnd(3, '0')}Z`)
  // Engines roll 30 February over into March.
  if (Number.isNaN(date.getTime()) || !date.toISOString().startsWith(local)) return undefined
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000
  const moment = new Date(date.getTime() - (sign === '-' ? -offset : offset))
  // In UTC such a year has no four digits, so that it could not be written again.
  return /^\d{4}-/.test(moment.toISOString()) ? moment : undefined
}

/**
 * In UTC, as XEP-0082 §6 advises, so that no place is revealed; milliseconds only where there are any.
 *
 * @throws {RangeError} when the date is invalid
 */
export function formatDateTime(date: Date): string {
  return date.toISOString().replace('.000Z', 'Z')
}
