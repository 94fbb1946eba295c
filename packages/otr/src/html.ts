/**
 * Text out of the HTML that Pidgin, Adium and Gajim write into OTR, and the other way round. In XMPP a message is plain
 * text, also where it looks like markup (XEP-0364 §4.1); those programs encrypt what they would show.
 *
 *     Hey<br />look: <FONT>&lt;3</FONT> <a href="https://example.org/">here</a>
 *
 * Only the user, or who wrote the message, knows which of the two it is: `&lt;` may be what somebody typed. So nothing
 * here is called by itself, and no HTML is ever kept to be rendered.
 */
import { pieces, TAG } from './markup.ts'

/** What Pidgin and Adium write besides numbers. */
const NAMED: ReadonlyMap<string, string> = /* @__PURE__ */ new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['nbsp', ' '],
  ['copy', '©'],
  ['reg', '®'],
])
const ENTITY = /&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([a-z]{1,8}));/g
/** Begin a line and end one. */
const BLOCKS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'p',
  'div',
  'ul',
  'ol',
  'li',
  'blockquote',
  'pre',
  'hr',
  'table',
  'tr',
])

/**
 * The text of a message in HTML: no tags, lines where there were some, characters for what was escaped. A link keeps
 * its address, in brackets where it is not what is shown: nobody should be led elsewhere than it says.
 *
 * Never throws, whatever it is given, and takes time that grows with its length.
 */
export function toText(html: string): string {
  const shown: string[] = []
  let lineEnds = true
  let isBreakDue = false
  let link: { readonly address: string; readonly start: number } | undefined

  const write = (text: string): void => {
    if (isBreakDue && !lineEnds) shown.push('\n')
    isBreakDue = false
    lineEnds = text.endsWith('\n')
    shown.push(text)
  }
  const endLink = (): void => {
    if (link === undefined) return
    const { address, start } = link
    link = undefined
    const isShown = isSameAddress(shown.slice(start).join('').trim(), address)
    if (!isShown) write(` (${address})`)
  }

  for (const { tag, text } of pieces(html)) {
    const [, closes, name = ''] = TAG.exec(tag) ?? []
    const element = name.toLowerCase()
    if (element === 'a') {
      endLink()
      const address = closes ? undefined : addressOf(tag)
      if (address !== undefined) link = { address, start: shown.length }
    } else if (element === 'br') write('\n')
    else if (BLOCKS.has(element)) isBreakDue = true
    // Between blocks, white space separates the tags and no words.
    if (text !== '' && !(isBreakDue && text.trim() === '')) write(unescaped(text))
  }
  endLink()
  return shown.join('')
}

/** Text that says the same where it is read as HTML: escaped, with `<br>` for each end of a line. */
export function fromText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replace(/\r\n|\r|\n/g, '<br>')
}

function addressOf(tag: string): string | undefined {
  const [, double, single, bare] = /\shref\s{0,8}=\s{0,8}(?:"([^"]*)"|'([^']*)'|([^\s"']+))/i.exec(tag) ?? []
  const address = unescaped(double ?? single ?? bare ?? '').trim()
  return address === '' ? undefined : address
}

/** What is shown of a link usually lacks something of its address that nobody types. */
function isSameAddress(shown: string, address: string): boolean {
  const short = (text: string) => text.replace(/^(?:https?:\/\/|mailto:|xmpp:)/i, '').replace(/\/$/, '')
  return short(shown) === short(address)
}

function unescaped(text: string): string {
  return text.replace(ENTITY, (entity, decimal?: string, hexadecimal?: string, name?: string) => {
    if (name !== undefined) return NAMED.get(name) ?? entity
    return character(decimal === undefined ? Number.parseInt(hexadecimal ?? '', 16) : Number(decimal))
  })
}

/** One that XML can carry. */
function character(code: number): string {
  const isControl = code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d
  const isNone =
    isControl || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff || (code & 0xfffe) === 0xfffe
  return isNone ? '\ufffd' : String.fromCodePoint(code)
}
