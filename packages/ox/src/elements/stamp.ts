/** Dates of XEP-0373: with seconds and an offset (XEP-0082 §3.2), Profanity's without a colon among them. */
import { dateTime, type Scalar } from '@xmpp-e2e/xml'

/** Written in UTC, to the second. */
export const stamp: Scalar<Date> = {
  expected: dateTime.expected,
  decode: dateTime.decode,
  encode: (date) => dateTime.encode(new Date(Math.floor(date.getTime() / 1000) * 1000)),
}
