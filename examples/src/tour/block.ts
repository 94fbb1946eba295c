/** What a moment of the tour looks like, before it is laid out: as plain data. */

/** What a line is about; a terminal with colours shows each in its own. */
export type Tone = 'plain' | 'faint' | 'strong' | 'alice' | 'bob' | 'good' | 'bad' | 'server'

export type Block =
  /** Somebody writes. */
  | { readonly kind: 'bubble'; readonly who: 'alice' | 'bob'; readonly device: string; readonly text: string }
  /** Something happens; the text is wrapped beside the mark. */
  | { readonly kind: 'note'; readonly mark: string; readonly text: string; readonly tone: Tone }
  | Box

/** Something with things inside: as wide as there is room for. */
export interface Box {
  readonly kind: 'box'
  readonly title: string
  readonly inside: readonly (Box | string)[]
}

/** Two columns of the same moment. */
export interface Moment {
  readonly people: readonly Block[]
  readonly server: readonly Block[]
}

export const box = (title: string, ...inside: readonly (Box | string)[]): Box => ({
  kind: 'box',
  title,
  inside,
})

const note = (mark: string, tone: Tone) => (text: string) => ({ kind: 'note', mark, text, tone }) as const

export const good = note('✓', 'good')
export const bad = note('✗', 'bad')
export const waits = note('…', 'faint')
export const remark = note('', 'plain')
export const seen = note('', 'server')
/** What the server does: carry, keep, lose, change. */
export const act = note('→', 'server')
export const misdeed = note('!', 'bad')
