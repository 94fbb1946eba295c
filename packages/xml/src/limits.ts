/** Bounds on one document, or on each stanza of a stream. */
export interface Limits {
  /** Elements within one another, the outermost included. */
  readonly depth: number
  /** In UTF-8, markup included; of a stream also the white space before a stanza in the same chunk. */
  readonly bytes: number
  /** All elements, the outermost included. */
  readonly elements: number
  /** Of one element, namespace declarations included. */
  readonly attributes: number
}

/**
 * - 64 deep: an OMEMO message in an archive result nests 8.
 * - 1 MiB: four times the 256 KiB that Prosody and ejabberd accept from a client by default, since servers
 *   among themselves allow 512 KiB and wrap results.
 * - 32768 elements: 1 MiB / 32 bytes; `<preKeyPublic preKeyId='1'>…` of a bundle takes 90.
 * - 64 attributes: a stanza has 5, the header of a stream 8.
 */
export const LIMITS: Limits = /* @__PURE__ */ Object.freeze({
  depth: 64,
  bytes: 1_048_576,
  elements: 32_768,
  attributes: 64,
})
