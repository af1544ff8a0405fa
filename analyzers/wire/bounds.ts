/**
 * Every bound of the observing analyzers, in one place. Past a bound an analyzer keeps what it has
 * and says `truncated` or `complete: false`; it never grows and never guesses.
 */

/** Decoded bytes of one body kept for analysis; more is counted but not kept. */
export const keptBodyBytes = 16 * 1024 * 1024

/** Bytes that the content codings of one body may expand to before decoding stops. */
export const decompressedBytes = 64 * 1024 * 1024

/** Content codings stacked on one body; real traffic has one, two where a cache adds its own. */
export const stackedCodings = 4

/** UTF-16 units that one server-sent event may hold before its stream is given up. */
export const sseEventLength = 8 * 1024 * 1024

/** UTF-16 units of event data that one stream may feed to its merger. */
export const mergedDataLength = 64 * 1024 * 1024

/** Nesting that the recursive readers of messages (JSON.stringify, schema checks) stand easily. */
export const jsonDepth = 256

/** Highest index of a list that a stream may name; OpenAI documents 128 choices, others less. */
export const streamListIndex = 1024

/** Text of one error message passed on. */
export const errorTextLength = 2_000

/** Model calls of one WebSocket that wait for their answer at a time; the oldest gives way. */
export const openSocketCalls = 64
