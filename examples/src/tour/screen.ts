/** Layout: from blocks to lines of text that fit. Pure; nothing here knows of a terminal. */
import type { Block, Box, Moment, Tone } from './block.ts'

/** A line, or a part of one. */
export interface Span {
  readonly text: string
  readonly tone: Tone
}
export type Line = readonly Span[]

/** Narrower than this, the columns go one below the other. */
const TWO_COLUMNS = 72
/** Wider than this, lines get hard to read. */
export const MAX_WIDTH = 104
/** What the server sees is short: the people get the rest. */
const SERVER_WIDTH = 36
const MAX_BUBBLE = 40
const MAX_BOX = 46
const INDENT = '  '

/** Breaks text at spaces; words that are too long are cut. Leading spaces stay, in every line. */
export function wrap(text: string, width: number): readonly string[] {
  const indent = /^ */.exec(text)?.[0] ?? ''
  const lines: string[] = []
  let line = ''
  for (let word of text.trim().split(/ +/)) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line)
      line = ''
    }
    while (indent.length + word.length > width) {
      lines.push(indent + word.slice(0, width - indent.length))
      word = word.slice(width - indent.length)
    }
    line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, indent + line]
}

/** A heading with a rule through the whole width. */
export function heading(title: string, width: number): Line {
  const rule = '─'.repeat(Math.max(2, width - title.length - 6))
  return [
    { text: '─── ', tone: 'faint' },
    { text: title, tone: 'strong' },
    { text: ` ${rule}`, tone: 'faint' },
  ]
}

export function paragraph(text: string, width: number, tone: Tone = 'plain'): readonly Line[] {
  return wrap(text, width - INDENT.length).map((line) => [{ text: INDENT + line, tone }])
}

/** What stands above the columns; nothing where they go one below the other. */
export function columnHeads(width: number): readonly Line[] {
  if (width < TWO_COLUMNS) return []
  const people: Span = { text: 'what the people see', tone: 'faint' }
  return [columns([people], [{ text: 'what the server sees', tone: 'faint' }], width)]
}

/** Between two moments. */
export function columnGap(width: number): readonly Line[] {
  return width < TWO_COLUMNS ? [[]] : [columns([], [], width)]
}

export function moment({ people, server }: Moment, width: number): readonly Line[] {
  if (width < TWO_COLUMNS) return stacked(people, server, width)
  const peopleWidth = width - SERVER_WIDTH - 7
  const left = people.flatMap((block) => lay(block, peopleWidth))
  const right = server.flatMap((block) => lay(block, SERVER_WIDTH))
  return Array.from({ length: Math.max(left.length, right.length) }, (_, i) =>
    columns(left[i] ?? [], right[i] ?? [], width),
  )
}

function stacked(people: readonly Block[], server: readonly Block[], width: number): readonly Line[] {
  const bar: Span = { text: `${INDENT}server │ `, tone: 'faint' }
  return [
    ...people
      .flatMap((block) => lay(block, width - INDENT.length))
      .map((line) => [{ text: INDENT, tone: 'plain' } as const, ...line]),
    ...server.flatMap((block) => lay(block, width - bar.text.length)).map((line) => [bar, ...line]),
  ]
}

function columns(left: Line, right: Line, width: number): Line {
  const space = width - SERVER_WIDTH - 7 - lengthOf(left)
  return [
    { text: INDENT, tone: 'plain' },
    ...left,
    { text: `${' '.repeat(Math.max(0, space))}  │ `, tone: 'faint' },
    ...right,
  ]
}

function lay(block: Block, width: number): readonly Line[] {
  switch (block.kind) {
    case 'bubble':
      return bubble(block, width)
    case 'box':
      return boxed(block, Math.min(width, MAX_BOX)).map((text) => [{ text, tone: 'plain' }])
    case 'note': {
      const { mark, text, tone } = block
      if (mark === '') return wrap(text, width).map((line) => [{ text: line, tone }])
      const [first, ...rest] = wrap(text, width - 2)
      return [[{ text: `${mark} ${first}`, tone }], ...rest.map((line) => [{ text: `  ${line}`, tone }])]
    }
  }
}

/** As in a chat: Alice's on the left, Bob's on the right. */
function bubble({ who, device, text }: Block & { kind: 'bubble' }, width: number): readonly Line[] {
  const lines = wrap(text, Math.min(width - 8, MAX_BUBBLE))
  const inner = Math.max(device.length + 2, ...lines.map(({ length }) => length))
  const margin = who === 'alice' ? '' : ' '.repeat(width - inner - 4)
  const drawn = [
    `╭─ ${device} ${'─'.repeat(inner - device.length - 1)}╮`,
    ...lines.map((line) => `│ ${line.padEnd(inner)} │`),
    `╰${'─'.repeat(inner + 2)}╯`,
  ]
  return drawn.map((line) => [{ text: margin + line, tone: who }])
}

function boxed({ title, inside }: Box, width: number): readonly string[] {
  const inner = width - 4
  const [head = '', ...more] = wrap(title, inner - 1)
  const lines = [
    ...more,
    ...inside.flatMap((one) => (typeof one === 'string' ? wrap(one, inner) : boxed(one, inner))),
  ]
  return [
    `┌─ ${head} ${'─'.repeat(inner - head.length - 1)}┐`,
    ...lines.map((line) => `│ ${line.padEnd(inner)} │`),
    `└${'─'.repeat(inner + 2)}┘`,
  ]
}

/** A table with a heading for each row and column, numbers to the right; column by column where it does not fit. */
export function table(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  width: number,
): readonly Line[] {
  const all = [heads, ...rows]
  const label = Math.max(...all.map((row) => row[0]!.length))
  const cell = Math.max(...all.flatMap((row) => row.slice(1)).map(({ length }) => length)) + 2
  const line = ([first, ...cells]: readonly string[]) =>
    `${INDENT}${first!.padEnd(label)}${cells.map((text) => text.padStart(cell)).join('')}`
  if (line(heads).length > width && heads.length > 2)
    return heads.slice(1).flatMap((head, i) => {
      const column = rows.map((row) => [row[0]!, row[i + 1]!])
      return [...table(['', head], column, width), []]
    })
  return [
    [{ text: line(heads), tone: 'strong' }],
    [{ text: INDENT + '─'.repeat(line(heads).length - INDENT.length), tone: 'faint' }],
    ...rows.map((row): Line => [{ text: line(row), tone: 'plain' }]),
  ]
}

export function lengthOf(line: Line): number {
  return line.reduce((sum, { text }) => sum + text.length, 0)
}
