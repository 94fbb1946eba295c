import fc from 'fast-check'

/** Any Unicode text without lone surrogates. fast-check's own unit for it takes seconds to set up. */
export function anyText(size: {
  readonly minLength?: number
  readonly maxLength: number
}): fc.Arbitrary<string> {
  const scalar = fc.oneof(
    fc.integer({ min: 0, max: 0x7f }),
    fc.integer({ min: 0, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  )
  return fc.array(scalar, size).map((points) => String.fromCodePoint(...points))
}
