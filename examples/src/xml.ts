// Reads a stream as a socket delivers it, finds out who sent a message, and decodes a payload of its own kind.
import {
  attr,
  bareJid,
  child,
  codec,
  content,
  type Element,
  inside,
  parse,
  receive,
  ShapeError,
  StanzaReader,
  serialize,
  text,
  uint,
  XmlError,
} from '@xmpp-e2e/xml'

// One declaration gives the parser, the builder and the type: { readonly serves: number; readonly title: string }
const recipe = codec('urn:example:recipe', 'recipe', {
  serves: attr('serves', uint(99, 1)),
  title: inside('title', content()),
})
const soup = serialize(recipe.encode({ serves: 4, title: 'Soup & bread' }))
const account = bareJid.decode('juliet@capulet.lit')!

function show(stanza: Element): void {
  // Opens carbons and archive results, with every check, and says who sent what is inside.
  const received = receive(stanza, { account })
  if (received.kind !== 'message') return
  const body = child(received.stanza, 'body') // in the namespace of its parent, never in any
  console.log(received.chat, 'says', body && text(body))
  try {
    for (const el of received.stanza.children) if (recipe.is(el)) console.log(recipe.decode(el))
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error
    console.log('not a recipe:', error.code, 'at', error.path)
  }
}

// Chunks may end anywhere, also inside of a character. The last one is an attack.
const reader = new StanzaReader()
const chunks = [
  "<stream:stream from='capulet.lit' xmlns='jabber:client' xmlns:stream='http://etherx.jab",
  `ber.org/streams'><message from='romeo@montague.lit/a'><body>Dinner?</body>${soup}</message><message `,
  "from='x@example.org'><body>Me too</body><recipe xmlns='urn:example:recipe' serves='many'/></message>",
  '<!DOCTYPE x [<!ENTITY y "',
]
try {
  for (const chunk of chunks) {
    for (const event of reader.read(chunk)) {
      if (event.type === 'open') console.log('connected to', event.header.attrs.from)
      else if (event.type === 'stanza') show(event.stanza)
    }
  }
} catch (error) {
  if (!(error instanceof XmlError)) throw error
  console.log('close the stream with', error.condition) // the stream error of RFC 6120 §4.9.3
}

// Decrypted content has passed no server: here the parser is the only gate.
console.log(text(parse("<body xmlns='jabber:client'>Yes</body>")))
