/**
 * The three files of libotr, which Pidgin, Profanity, irssi and others keep: to move in from there, and out again.
 *
 *     otr.private_key      (privkeys (account (name N) (protocol P) (private-key (dsa (p #…#) (q #…#) …))) …)
 *     otr.fingerprints     contact ⇥ account ⇥ protocol ⇥ 40 hexadecimal digits ⇥ trust
 *     otr.instance_tags    account ⇥ protocol ⇥ 8 hexadecimal digits
 *
 * The protocol of XMPP is `prpl-jabber` in Pidgin, where names of accounts end in `/` and a resource, and `xmpp` in
 * Profanity, whose files are `keys.txt` and `fingerprints.txt`. All are UTF-8.
 */
import { bytesToUtf8 } from '@noble/ciphers/utils.js'
import { assertPrivateKey, type DsaPrivateKey } from '../dsa/dsa.ts'
import { OtrError } from '../error.ts'
import { MIN_INSTANCE_TAG } from '../protocol/header.ts'
import { bytesToInteger, integerToBytes } from '../wire/integer.ts'
import {
  type Expression,
  formatNumber,
  formatText,
  listNamed,
  listsNamed,
  parseExpression,
} from './s-expression.ts'

/** 1 MiB: a thousand accounts of 1 KB each, or eight thousand contacts. */
export const MAX_FILE_CHARACTERS = 1_048_576

/** The key of one account of a program. */
export interface AccountKey {
  /** As the client writes it: a JID, with a resource in Pidgin. */
  readonly name: string
  readonly protocol: string
  readonly key: DsaPrivateKey
}

const NUMBERS = ['p', 'q', 'g', 'y', 'x'] as const

/**
 * Every account's key, checked.
 *
 * @throws OtrError `file-malformed`; `dsa-key-invalid` for a key that does not belong together
 */
export function parsePrivateKeys(text: string): readonly AccountKey[] {
  const file = parseExpression(limited(text))
  const accounts = file instanceof Uint8Array ? undefined : listNamed([file], 'privkeys')
  if (accounts === undefined) throw malformed('private keys', 'expected (privkeys …)')
  return listsNamed(accounts, 'account').map((account) => {
    const key = listNamed(listNamed(account, 'private-key') ?? [], 'dsa') ?? []
    const [p, q, g, y, x] = NUMBERS.map((name) => bytesToInteger(atomNamed(key, name)))
    const numbers = { p: p ?? 0n, q: q ?? 0n, g: g ?? 0n, y: y ?? 0n, x: x ?? 0n }
    assertPrivateKey(numbers)
    const [name, protocol] = ['name', 'protocol'].map((name) => bytesToUtf8(atomNamed(account, name)))
    return { name: name ?? '', protocol: protocol ?? '', key: numbers }
  })
}

function atomNamed(list: readonly Expression[], name: string): Uint8Array {
  const [atom, ...more] = listNamed(list, name) ?? []
  if (!(atom instanceof Uint8Array) || more.length > 0)
    throw malformed('private keys', `expected one ${name}`)
  return atom
}

/** The whole file. It is not encrypted: its mode should be 0600. */
export function formatPrivateKeys(accounts: readonly AccountKey[]): string {
  const formatted = accounts.map(({ name, protocol, key }) => {
    const numbers = NUMBERS.map((letter) => `  (${letter} ${formatNumber(integerToBytes(key[letter]))})\n`)
    const start = ` (account\n(name ${formatText(name)})\n(protocol ${formatText(protocol)})\n`
    return `${start}(private-key \n (dsa \n${numbers.join('')}  )\n )\n )\n`
  })
  return `(privkeys\n${formatted.join('')})\n`
}

/** A key of a contact, known to one account. */
export interface FingerprintEntry {
  readonly peer: string
  readonly account: string
  readonly protocol: string
  /** 40 lower-case hexadecimal digits. */
  readonly fingerprint: string
  /** Empty: not verified. libotr's clients write `verified` and `smp`, Profanity `trusted`. */
  readonly trust: string
}

/**
 * Lines of another form are passed over: one that is damaged must not lose the others.
 *
 * @throws OtrError `file-malformed` for a file longer than `MAX_FILE_CHARACTERS`
 */
export function parseFingerprints(text: string): readonly FingerprintEntry[] {
  return rows(text).flatMap(([peer = '', account = '', protocol = '', digits = '', trust = '']) =>
    /^[0-9A-Fa-f]{40}$/.test(digits)
      ? [{ peer, account, protocol, fingerprint: digits.toLowerCase(), trust }]
      : [],
  )
}

/** @throws RangeError for what is no fingerprint, and when something holds a tab or a line break, which the file cannot */
export function formatFingerprints(entries: readonly FingerprintEntry[]): string {
  if (!entries.every(({ fingerprint }) => /^[0-9a-f]{40}$/.test(fingerprint)))
    throw new RangeError('fingerprint: expected 40 digits of lower-case hex')
  return lines(
    entries.map((entry) => [entry.peer, entry.account, entry.protocol, entry.fingerprint, entry.trust]),
  )
}

/** What names the program to contacts of one account. */
export interface InstanceTagEntry {
  readonly account: string
  readonly protocol: string
  readonly tag: number
}

/**
 * Lines of another form are passed over, and those that begin with `#`.
 *
 * @throws OtrError `file-malformed` for a file longer than `MAX_FILE_CHARACTERS`
 */
export function parseInstanceTags(text: string): readonly InstanceTagEntry[] {
  return rows(text).flatMap(([account = '', protocol = '', digits = '']) => {
    const tag = /^[0-9A-Fa-f]{8}$/.test(digits) ? Number.parseInt(digits, 16) : 0
    return account.startsWith('#') || tag < MIN_INSTANCE_TAG ? [] : [{ account, protocol, tag }]
  })
}

/**
 * @throws RangeError for an account that begins with `#`, as comments do, and when something holds a tab or a line break:
 * the file cannot carry them; and for a tag that is none
 */
export function formatInstanceTags(entries: readonly InstanceTagEntry[]): string {
  if (entries.some(({ account }) => account.startsWith('#')))
    throw new RangeError('account: expected none that begins with #, which is a comment there')
  if (!entries.every(({ tag }) => Number.isInteger(tag) && tag >= MIN_INSTANCE_TAG && tag <= 0xffff_ffff))
    throw new RangeError('tag: expected 0x100 … 0xffffffff')
  return lines(
    entries.map(({ account, protocol, tag }) => [account, protocol, tag.toString(16).padStart(8, '0')]),
  )
}

function rows(text: string): readonly (readonly string[])[] {
  return limited(text)
    .split(/\r?\n/)
    .map((line) => line.split('\t'))
}

function lines(table: readonly (readonly string[])[]): string {
  if (table.some((row) => row.some((field) => /[\t\r\n]/.test(field))))
    throw new RangeError('entry: expected no tab and no line break')
  return table.map((row) => `${row.join('\t')}\n`).join('')
}

function limited(text: string): string {
  if (text.length > MAX_FILE_CHARACTERS)
    throw malformed('file', `longer than ${MAX_FILE_CHARACTERS} characters`)
  return text
}

function malformed(what: string, message: string): OtrError {
  return new OtrError('file-malformed', `${what}: ${message}`)
}
