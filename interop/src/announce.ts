/**
 * XEP-0115, 5.1, with no help from the package that is tested: presence that announces features, and the answer
 * to the question for them.
 */
import { createHash } from 'node:crypto'
import { type Connection, child, type Element, element, ns } from '@xmpp-e2e/xml'

const CAPS = 'http://jabber.org/protocol/caps'
const INFO = 'http://jabber.org/protocol/disco#info'
const NODE = 'https://xmpp-e2e.example/interop'

const info = ns(INFO)

/**
 * Becomes available with these features; resolves when the presence is written.
 *
 * @returns how to stop answering
 */
export async function announce(connection: Connection, features: readonly string[]): Promise<() => void> {
  const all = [...new Set([CAPS, INFO, ...features])].sort()
  const S = ['client/pc//', ...all].map((part) => `${part}<`).join('')
  const ver = createHash('sha1').update(S).digest('base64')
  const stop = connection.answer(INFO, (iq) => {
    const node = child(iq, 'query', INFO)?.attrs.node
    if (node !== undefined && node !== `${NODE}#${ver}`) return undefined
    const features = all.map((name) => info('feature', { var: name }))
    const query = info('query', { node }, info('identity', { category: 'client', type: 'pc' }), features)
    return Promise.resolve(element('jabber:client', 'iq', { type: 'result' }, query))
  })
  await connection.send(presence({}, element(CAPS, 'c', { hash: 'sha-1', node: NODE, ver })))
  return stop
}

export const presence = (attrs: Record<string, string>, ...children: readonly Element[]): Element =>
  element('jabber:client', 'presence', attrs, children)
