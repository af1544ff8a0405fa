/**
 * Every bound of the observing analyzers, in one place. Past a bound an analyzer keeps what it has
 * and says `truncated` or `complete: false`; it never grows and never guesses.
 */

/** Decoded bytes of one body kept for analysis; more is counted but not kept. */
export const keptBodyBytes = 16 * 1024 * 1024

/** UTF-16 units that one server-sent event may hold before its stream is given up. */
export const sseEventLength = 8 * 1024 * 1024

/** Bytes of one frame of an AWS event stream; the service documents 16 MiB. */
export const eventstreamFrameBytes = 16 * 1024 * 1024

/** Bytes of the headers of one such frame, as the service documents. */
export const eventstreamHeaderBytes = 128 * 1024

/** UTF-16 units of event data that one stream may feed to its merger. */
export const mergedDataLength = 64 * 1024 * 1024

/** Nesting that the recursive readers of messages (JSON.stringify, schema checks) stand easily. */
export const jsonDepth = 256

/** Records and lists of one JSON text; the densest answers, with log probabilities, stay below. */
export const jsonContainers = 1_000_000

/** Highest index of a list that a stream may name; OpenAI documents 128 choices, others less. */
export const streamListIndex = 1024

/** Text of one error message passed on. */
export const errorTextLength = 2_000

/** Names of models and reasons for an end; longer ones are cut. */
export const nameLength = 256

/** Parts of one answer that are told, and tool calls in it; of more their number. */
export const toldParts = 4_096

/** Conversations remembered; of the least recently used nothing is known any more. */
export const keptSessions = 512

/** Histories remembered in one conversation: the main one, sub-agents, calls beside it. */
export const keptBranches = 64

/** Messages of one history that are compared, eight bytes each; what follows is not compared. */
export const comparedMessages = 4_096

/** Message digests kept in all, eight bytes each; the least recently used conversations go first. */
export const keptDigests = 1_048_576

/** Model calls under way that are remembered, and those of one exchange (a WebSocket). */
export const pendingExchanges = 1_024
export const pendingCallsOfExchange = 32

/** Tool calls remembered until their results come, and the texts that they handed to sub-agents. */
export const keptToolCalls = 8_192

/** Response ids that a later call may continue. */
export const keptResponses = 8_192

/** Request bodies remembered, by digest, to tell a retry. */
export const keptAttempts = 4_096

/** Results told of one request. */
export const toldToolResults = 256

/** Milliseconds after its failure in which the same request is a retry. */
export const retryWindowMs = 600_000

/** Characters of an id that a client gives; longer ones are none. */
export const clientIdLength = 256

/** Rate limits read from one answer. */
export const rateLimitKinds = 32

/** Model calls of one WebSocket that wait for their answer at a time; the oldest gives way. */
export const openSocketCalls = 64
