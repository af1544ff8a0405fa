/** Every bound of the traffic and observation planes that is not an option, with its reason. */

/** Header block of a request or response, in bytes; larger ones are answered 431. */
export const maxHeaderBytes = 64 * 1024
/** From the first byte of a connection to the end of a request's head, in ms; then 408. */
export const headersTimeoutMs = 15_000
/** TLS handshake with a client, in ms. */
export const handshakeTimeoutMs = 10_000
/** TCP, and TLS for intercepted hosts, towards an upstream, in ms; then 504. */
export const connectTimeoutMs = 10_000
/** An exchange in which neither side sends a byte for so long is given up, in ms; then 504. */
export const idleTimeoutMs = 600_000
/** Client connections at a time; one more is answered 503. */
export const maxConnections = 1024
/** Inline work of one analyzer on one request, in ms; then the request is refused. */
export const judgeDeadlineMs = 10_000
/** Messages and body bytes that may wait for analysis; body chunks beyond it are dropped and counted. */
export const analysisQueueBytes = 64 * 1024 * 1024
/** Messages that may wait for a slow reader of `messages()`. */
export const iteratorMessages = 10_000
/** How long running exchanges may go on after a shutdown was asked for, in ms. */
export const drainTimeoutMs = 10_000
