/** UTF-8 by the platform: every one has it, and no library of types without the DOM says so. */
import type { Bytes } from './bytes.ts'

declare const TextEncoder: new () => { encode(text: string): Bytes }
declare const TextDecoder: new (
  label: string,
  options: { fatal: boolean },
) => { decode(bytes: Uint8Array): string }

/** @internal */
export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text)
}

/** @internal `undefined` for what is no UTF-8. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
