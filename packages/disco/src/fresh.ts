/**
 * The same text on its own: engines make a part of a text that refers to the whole, so that one attribute which is
 * remembered would keep everything that came with it.
 */
export function fresh<T extends string>(text: T): T {
  return [...text].join('') as T
}
