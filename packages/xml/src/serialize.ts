import {
  type Attrs,
  checkAttributeKey,
  checkCharacters,
  checkElementName,
  type Element,
  type Node,
} from './element.ts'

/**
 * Writes an element, so that `parse` gives an equal one. Equal input gives equal output; attributes keep
 * their order. Elements carry no prefix: a namespace is declared where it changes.
 *
 * @param scope.ns The default namespace at the place it goes to: `jabber:client` in a stream. None unless given.
 * @throws {XmlError} on names and characters that XML cannot carry, also in elements that `element` did not make
 */
export function serialize(el: Element, scope: { readonly ns?: string } = {}): string {
  let out = ''
  // Ends of tags wait below the children that come before them.
  const pending: (Node | { readonly end: string; readonly ns: string })[] = [el]
  let ns = scope.ns ?? ''
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (typeof next === 'string') out += escapeText(next)
    else if ('end' in next) {
      out += `</${next.end}>`
      ns = next.ns
    } else {
      checkElementName(next.ns, next.name)
      out += `<${next.name}${next.ns === ns ? '' : ` xmlns="${escapeValue(next.ns)}"`}${attributes(next.attrs)}`
      out += next.children.length > 0 ? '>' : '/>'
      if (next.children.length === 0) continue
      pending.push({ end: next.name, ns })
      ns = next.ns
      for (let i = next.children.length - 1; i >= 0; i--) pending.push(next.children[i] ?? '')
    }
  }
  return out
}

// `{uri}local` gets a prefix that is declared on the spot: n0, n1 … within one element.
function attributes(attrs: Attrs): string {
  let out = ''
  const prefixes = new Map<string, string>()
  for (const [key, value] of Object.entries(attrs)) {
    checkAttributeKey(key)
    let name = key
    if (key.startsWith('{')) {
      const end = key.lastIndexOf('}')
      const uri = key.slice(1, end)
      let prefix = prefixes.get(uri)
      if (prefix === undefined) {
        prefix = `n${prefixes.size}`
        prefixes.set(uri, prefix)
        out += ` xmlns:${prefix}="${escapeValue(uri)}"`
      }
      name = `${prefix}:${key.slice(end + 1)}`
    }
    out += ` ${name}="${escapeValue(value)}"`
  }
  return out
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
}

// A parser turns CR into LF, and TAB and LF in attributes into spaces, unless they are references.
const reference = (found: string): string => ESCAPES[found] ?? `&#${found.charCodeAt(0)};`

function escapeText(text: string): string {
  return checkCharacters(text).replace(/[&<>\r]/g, reference)
}

function escapeValue(value: string): string {
  return checkCharacters(value).replace(/[&<"\t\n\r]/g, reference)
}
