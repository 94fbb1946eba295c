/** Dates as XEP-0082 §3.2 writes them, and as Profanity does: with an offset that has no colon. */
import { dateTime, type Scalar } from '@xmpp-e2e/xml'

/** Written in UTC, to the second. */
export const stamp: Scalar<Date> = {
  expected: dateTime.expected,
  decode: (text) => dateTime.decode(text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2')),
  encode: (date) => dateTime.encode(new Date(Math.floor(date.getTime() / 1000) * 1000)),
}
