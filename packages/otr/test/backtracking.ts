/** What a pattern costs, by counting: a matcher that tries what an engine with backtracking tries, and counts each try. */

/** From a place in the text on; `next` is what has to match behind it. */
type Matcher = (at: number, next: (at: number) => boolean) => boolean

/** Of the start of a pattern: literals, classes, groups, alternatives, and `*`, `?` and `{m,n}` behind them. */
export function triesOf(
  { source }: RegExp,
  text: string,
): { readonly tries: number; readonly found: boolean } {
  let tries = 0
  let read = 0

  function alternatives(): Matcher {
    const all = [sequence()]
    while (source[read] === '|') {
      read++
      all.push(sequence())
    }
    return (at, next) => all.some((one) => one(at, next))
  }

  function sequence(): Matcher {
    const parts: Matcher[] = []
    while (read < source.length && !'|)'.includes(source.charAt(read))) parts.push(part())
    const from = (index: number, at: number, next: (at: number) => boolean): boolean => {
      const one = parts[index]
      return one === undefined ? next(at) : one(at, (after) => from(index + 1, after, next))
    }
    return (at, next) => from(0, at, next)
  }

  function part(): Matcher {
    if (source[read] !== '(') return repeated(character())
    read += source.startsWith('(?:', read) ? 3 : 1
    const inner = alternatives()
    read++
    if (source[read] !== '?') return inner
    read++
    return (at, next) => inner(at, next) || next(at)
  }

  function character(): RegExp {
    const [one = ''] = /^(?:\[[^\]]*\]|\\.|.)/.exec(source.slice(read)) ?? []
    read += one.length
    return new RegExp(`^${one}$`)
  }

  /** As many as there are, then one less and one less. */
  function repeated(one: RegExp): Matcher {
    const [quantifier = '', , least, most] = /^(?:\*|(\{(\d+),(\d+)\}))?/.exec(source.slice(read)) ?? []
    read += quantifier.length
    const [min, max] = quantifier === '' ? [1, 1] : [Number(least ?? 0), Number(most ?? text.length)]
    return (at, next) => {
      let count = 0
      while (count < max && at + count < text.length && one.test(text.charAt(at + count))) count++
      tries += count + 1
      for (; count >= min; count--) {
        tries++
        if (next(at + count)) return true
      }
      return false
    }
  }

  if (source.startsWith('^')) read = 1
  const found = alternatives()(0, () => true)
  return { tries, found }
}
