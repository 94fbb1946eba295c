/** One chapter: a sentence before, what happens, a sentence after. */
import type { World } from './world.ts'

export interface Scene<Stage = World> {
  readonly title: string
  readonly before: string
  readonly after: string
  /** Rejects if anything happens otherwise than it is told. */
  play(stage: Stage): Promise<void>
}
