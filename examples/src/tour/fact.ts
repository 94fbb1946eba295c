/** The story has not happened as it is told. */
export class StoryError extends Error {
  override readonly name = 'StoryError'
}

/** @throws StoryError unless it is so */
export function fact(so: boolean, what: string): asserts so {
  if (!so) throw new StoryError(what)
}
