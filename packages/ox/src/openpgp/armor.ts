/** ASCII armor (RFC 9580 §6), which some put where bytes belong. */
import { base64 } from '@xmpp-e2e/xml'
import type { Bytes } from '../bytes.ts'
import { utf8Text } from '../utf8.ts'

/** @internal */
export interface Block {
  /** What the armor says it is; `binary` says nothing. */
  readonly kind: 'public' | 'private' | 'message' | 'binary'
  readonly bytes: Bytes
}

const BLOCK =
  /-----BEGIN PGP (PUBLIC KEY BLOCK|PRIVATE KEY BLOCK|MESSAGE)-----[ \t]*\r?\n([\s\S]*?)-----END PGP \1-----/g

const KINDS: Readonly<Record<string, Block['kind']>> = {
  'PUBLIC KEY BLOCK': 'public',
  'PRIVATE KEY BLOCK': 'private',
  MESSAGE: 'message',
}

const encoded = base64()

/** @internal The blocks of what is armored, one or several; anything else as it is. */
export function dearmored(data: Uint8Array): readonly Block[] {
  // A packet starts with a byte whose highest bit is set, and armor with anything but that.
  const text = (data[0] ?? 0x80) < 0x80 ? utf8Text(data) : undefined
  if (text === undefined || !text.includes('-----BEGIN PGP '))
    return [{ kind: 'binary', bytes: data.slice() }]
  return Array.from(text.matchAll(BLOCK), ([, name = '', body = '']) => ({
    kind: KINDS[name] ?? 'binary',
    bytes: encoded.decode(withoutHeaders(body)) ?? new Uint8Array(),
  }))
}

/** `Key: value` lines up to an empty one, and the checksum, which says nothing that a signature does not. */
function withoutHeaders(body: string): string {
  const lines = body.split(/\r?\n/).map((line) => line.trim())
  return lines.filter((line) => !/^[\w-]+: /.test(line) && !/^=[A-Za-z0-9+/]{4}$/.test(line)).join('')
}
