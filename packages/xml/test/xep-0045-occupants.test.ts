import { beforeEach, describe, expect, test } from 'vitest'
import type { Connection, Listener } from '../src/connection.ts'
import { bare } from '../src/jid.ts'
import { MAX_OCCUPANTS, type Occupants, occupants } from '../src/occupants.ts'
import { parse } from '../src/parse.ts'
import { receive } from '../src/received.ts'

const room = bare('coven@chat.shakespeare.lit')
const account = bare('hecate@shakespeare.lit')
const crone = bare('crone1@shakespeare.lit')

let listener: Listener
let known: Occupants
const connection: Connection = {
  jid: `${account}/pda`,
  send: () => Promise.resolve(),
  request: () => Promise.reject(new Error('no request')),
  answer: () => () => {},
  subscribe(given) {
    listener = given
    return () => {
      listener = {}
    }
  },
}

/** Presence of an occupant, as the room sends it. */
function presence(nick: string, jid: string | undefined, { type = '', codes = '', from = room } = {}): void {
  const item = `<item affiliation='member' role='participant'${jid === undefined ? '' : ` jid='${jid}'`}/>`
  const status = codes.split(' ').map((code) => (code ? `<status code='${code}'/>` : ''))
  const x = `<x xmlns='http://jabber.org/protocol/muc#user'>${item}${status.join('')}</x>`
  const kind = type && ` type='${type}'`
  listener.stanza?.(parse(`<presence xmlns='jabber:client' from='${from}/${nick}'${kind}>${x}</presence>`))
}

beforeEach(() => {
  known = occupants(connection)
  known.enter(room)
})

describe('XEP-0045 §7.2.3: who is in a room', () => {
  test('is who the room says', () => {
    presence('firstwitch', `${crone}/desktop`)
    expect(known.occupant(`${room}/firstwitch`)).toBe(crone)
    expect(known.occupant(`${room}/secondwitch`)).toBeUndefined()
    expect(known.occupant(room)).toBeUndefined()
  })

  test('is each person once', () => {
    presence('firstwitch', `${crone}/desktop`)
    presence('again', `${crone}/phone`)
    presence('hecate', `${account}/pda`, { codes: '100 110' })
    expect(known.present(room)).toEqual([crone, account])
  })

  test('is nobody known where the room is anonymous, or becomes so', () => {
    presence('firstwitch', undefined)
    expect(known.present(room)).toEqual([])
    presence('secondwitch', crone)
    presence('secondwitch', undefined)
    expect(known.present(room)).toEqual([])
  })

  test('changes when somebody leaves, or takes another nickname', () => {
    presence('firstwitch', crone)
    presence('firstwitch', crone, { type: 'unavailable', codes: '303' })
    presence('oldhag', crone)
    expect(known.occupant(`${room}/firstwitch`)).toBeUndefined()
    expect(known.occupant(`${room}/oldhag`)).toBe(crone)
    presence('oldhag', crone, { type: 'unavailable' })
    expect(known.present(room)).toEqual([])
  })

  test('is forgotten when the account leaves, and not when it takes another nickname', () => {
    presence('firstwitch', crone)
    presence('hecate', account, { type: 'unavailable', codes: '110 303' })
    expect(known.present(room)).toEqual([crone])
    presence('hecate', account, { type: 'unavailable', codes: '110' })
    expect(known.present(room)).toEqual([])
  })

  test.each(['new', 'lost'] as const)('is forgotten with a %s session, and believed again', (state) => {
    presence('firstwitch', crone)
    listener.session?.(state)
    expect(known.present(room)).toEqual([])
    presence('firstwitch', crone)
    expect(known.present(room)).toEqual([crone])
  })

  test('is known further when the session is resumed', () => {
    presence('firstwitch', crone)
    listener.session?.('resumed')
    expect(known.present(room)).toEqual([crone])
  })

  test('is not said by errors, by others than occupants, or after the end', () => {
    presence('firstwitch', crone, { type: 'error' })
    listener.stanza?.(parse(`<presence xmlns='jabber:client' from='${room}'/>`))
    listener.stanza?.(parse(`<presence xmlns='jabber:client' from='${room}/firstwitch'/>`))
    expect(known.present(room)).toEqual([])
    known.close()
    presence('firstwitch', crone)
    expect(known.present(room)).toEqual([])
  })

  test(`of at most ${MAX_OCCUPANTS} people`, () => {
    for (let i = 0; i <= MAX_OCCUPANTS; i++) presence(`n${i}`, `n${i}@shakespeare.lit`)
    expect(known.present(room)).toHaveLength(MAX_OCCUPANTS)
    presence('n0', undefined)
    presence('late', 'late@shakespeare.lit')
    expect(known.occupant(`${room}/late`)).toBe('late@shakespeare.lit')
  })
})

test('a contact that sends presence like a room does not become somebody else', () => {
  const evil = bare('evil@shakespeare.lit')
  presence('pda', crone, { from: evil, codes: '110' })
  const message = `<message xmlns='jabber:client' from='${evil}/pda' to='${account}' type='chat'/>`
  const received = receive(parse(message), { account, ...known })
  expect(received).toMatchObject({ sender: { known: 'stream', jid: `${evil}/pda` } })
})

describe('XEP-0045 §7.2.15: what comes after the subject', () => {
  const subject = (children: string) =>
    listener.stanza?.(
      parse(
        `<message xmlns='jabber:client' from='${room}/firstwitch' type='groupchat'>${children}</message>`,
      ),
    )

  test('is live', () => {
    expect(known.joined(room)).toBe(false)
    subject('<subject>Fire Burn</subject><body>not a subject</body>')
    subject('<body>neither</body>')
    expect(known.joined(room)).toBe(false)
    subject('<subject/>')
    expect(known.joined(room)).toBe(true)
    known.leave(room)
    expect(known.joined(room)).toBe(false)
  })
})
