/** Where the tour is shown: lines to a stream, in colours and with pauses where somebody watches. */
import { setTimeout } from 'node:timers/promises'
import type { Tone } from './block.ts'
import { type Line, MAX_WIDTH } from './screen.ts'

export interface Terminal {
  readonly width: number
  print(lines: readonly Line[]): void
  /** Time to read so many lines. */
  pause(lines: number): Promise<void>
}

/** Milliseconds: the story has some 80 moments and 360 lines, which makes a third of a minute. */
const PAUSE = { moment: 150, line: 25 } as const

/** Parameters of SGR (ECMA-48), from the sixteen colours that every theme makes readable. */
const SGR: Readonly<Record<Tone, string | undefined>> = {
  plain: undefined,
  faint: '2',
  strong: '1',
  alice: '36',
  bob: '33',
  good: '32',
  bad: '31',
  server: '35',
}

/** @param fast - without pauses; there are none either where nobody watches */
export function terminal(stream: NodeJS.WriteStream, fast: boolean): Terminal {
  const coloured = stream.isTTY && !process.env.NO_COLOR
  const columns = stream.columns ?? (Number(process.env.COLUMNS) || 80)
  // A reader that has gone, as `head` does, wants no more.
  stream.on('error', () => process.exit(1))
  return {
    width: Math.max(40, Math.min(columns, MAX_WIDTH)),
    print(lines) {
      for (const line of lines) stream.write(`${paint(line, coloured)}\n`)
    },
    async pause(lines) {
      if (stream.isTTY && !fast) await setTimeout(PAUSE.moment + PAUSE.line * lines)
    },
  }
}

function paint(line: Line, coloured: boolean): string {
  const painted = line.map(({ text, tone }) => {
    const parameter = coloured ? SGR[tone] : undefined
    return parameter === undefined ? text : `\u001b[${parameter}m${text}\u001b[0m`
  })
  return painted.join('').trimEnd()
}
