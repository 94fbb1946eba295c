import { readFileSync } from 'node:fs'
import { base64, type Element, parse, serialize } from '@xmpp-e2e/xml'
import { type Hash, hashed } from '../src/hash.ts'
import { type Info, infoQuery, readInfo } from '../src/info.ts'

interface Vectors {
  readonly caps: readonly {
    readonly name: string
    readonly query: string
    readonly S: string
    readonly ver: string
  }[]
  readonly hashes: readonly {
    readonly name: string
    readonly query: string
    /** Hexadecimal. */
    readonly input: string
    readonly hashes: Readonly<Record<string, string>>
    readonly ver: string
  }[]
  readonly collisions: readonly {
    readonly name: string
    readonly ver: string
    readonly queries: readonly string[]
    readonly shareable: readonly boolean[]
  }[]
}

export const vectors: Vectors = JSON.parse(
  readFileSync(new URL('vectors/caps.json', import.meta.url), 'utf8'),
)

export const hexOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex')

export const base64Of = (bytes: Uint8Array): string => base64().encode(Uint8Array.from(bytes))

const QUERY = "<query xmlns='http://jabber.org/protocol/disco#info'>"

export const verOf = (S: string, hash: Hash): string => hashed(Buffer.from(S), hash)

/** A query of identities, features and forms in XML. */
export const queryOf = (inner: string): Element => parse(`${QUERY}${inner}</query>`)

export const infoOf = (inner: string): Info => readInfo(queryOf(inner))

/** As it comes out of a parser again. */
export const sent = (info: Info): Element => parse(serialize(infoQuery(info)))

/** A form of the type `type`, with its fields. */
export function form(type: string, fields: Readonly<Record<string, readonly string[]>> = {}): string {
  const values = (texts: readonly string[]) => texts.map((text) => `<value>${text}</value>`).join('')
  const rest = Object.entries(fields).map(([name, texts]) => `<field var='${name}'>${values(texts)}</field>`)
  return `<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>${values([type])}</field>${rest.join('')}</x>`
}

export const features = (...names: readonly string[]): string =>
  names.map((name) => `<feature var='${name}'/>`).join('')
