/**
 * How many changes of keys a store in a database remembers deleted keys for; a token older than all of them is refused.
 * Sixteen commits of a thousand sessions fit between a read and its commit.
 */
export const HISTORY_CHANGES = 16_384
