/**
 * The one table of bounds that can be set: `--limit`, `limits` in the configuration file, `--help`,
 * the README's table and `PortholeBuilder.limit()` are all made from it. How a value is written is
 * in `limits.ts`. Bounds of the analyzers are not here: a replay must say what was said live.
 */

/** A duration's default is in milliseconds, a size's in bytes. */
export type BoundKind = 'count' | 'size' | 'duration'

interface BoundRow {
  /** In code and in the configuration file; it ends in the unit of a plain number. */
  readonly key: string
  /** After `--limit`. */
  readonly name: string
  readonly kind: BoundKind
  readonly default: number
  /** What is bounded, and what happens past it. */
  readonly help: string
  /** May be `off`: a deadline on what may in truth take for ever. */
  readonly mayBeOff?: true
  /** Where more would cost memory at once, or make no sense. */
  readonly max?: number
}

const kibibyte = 1024
const mebibyte = 1024 * kibibyte
const second = 1000
const minute = 60 * second
const hour = 60 * minute

const boundTable = [
  {
    key: 'maxConnections',
    name: 'connections',
    kind: 'count',
    default: 1024,
    help: 'client connections at a time; one more is answered 503',
  },
  {
    key: 'maxHeaderBytes',
    name: 'header-size',
    kind: 'size',
    default: 64 * kibibyte,
    max: 64 * mebibyte,
    help: 'header block, either way; 431 to the client, 502 for an upstream',
  },
  {
    key: 'headersTimeoutMs',
    name: 'head-timeout',
    kind: 'duration',
    default: 15 * second,
    help: 'for the head of a request to come; then 408',
  },
  {
    key: 'handshakeTimeoutMs',
    name: 'handshake-timeout',
    kind: 'duration',
    default: 10 * second,
    help: "for a client's TLS handshake; then closed",
  },
  {
    key: 'connectTimeoutMs',
    name: 'connect-timeout',
    kind: 'duration',
    default: 10 * second,
    help: 'for TCP to an upstream, and TLS where decrypted; then 504',
  },
  {
    key: 'judgeDeadlineMs',
    name: 'analyzer-timeout',
    kind: 'duration',
    default: 10 * second,
    help: 'for inline work of one analyzer on one request; then 502',
  },
  {
    key: 'hookDeadlineMs',
    name: 'hook-timeout',
    kind: 'duration',
    default: 2 * minute,
    help: 'for one hook of a module to call back; then 502, or the stream is cut',
  },
  {
    key: 'requestProgressMs',
    name: 'request-progress',
    kind: 'duration',
    default: 2 * minute,
    mayBeOff: true,
    help: 'in which a request body must bring request-progress-size; else 408',
  },
  {
    key: 'requestProgressBytes',
    name: 'request-progress-size',
    kind: 'size',
    default: kibibyte,
    help: 'least that a request body must bring in each request-progress',
  },
  {
    key: 'answerTimeoutMs',
    name: 'answer-timeout',
    kind: 'duration',
    // OpenAI's guide to flex processing sets 15 min in its client, and clients for long reasoning
    // set up to an hour: the proxy must not be the first to lose patience.
    default: hour,
    mayBeOff: true,
    help: 'from the end of a request to the head of its answer; then 504',
  },
  {
    key: 'idleTimeoutMs',
    name: 'idle-timeout',
    kind: 'duration',
    default: 10 * minute,
    mayBeOff: true,
    help: 'without a byte of an answer that has begun, keep-alive comments included; then it is cut',
  },
  {
    key: 'tunnelIdleTimeoutMs',
    name: 'tunnel-idle-timeout',
    kind: 'duration',
    // RFC 5382, REQ-5: what is in between may forget a silent connection after 2 h 4 min, not before.
    default: 3 * hour,
    mayBeOff: true,
    help: 'without a byte either way in a tunnel or WebSocket; then closed',
  },
  {
    key: 'maxInterims',
    name: 'interim-answers',
    kind: 'count',
    default: 32,
    help: 'interim answers (1xx) of one exchange; more are a 502',
  },
  {
    key: 'keepAliveMs',
    name: 'client-idle',
    kind: 'duration',
    default: minute,
    help: 'for a client connection between two requests; then closed',
  },
  {
    key: 'upstreamKeepAliveMs',
    name: 'upstream-idle',
    kind: 'duration',
    default: minute,
    help: 'for an unused upstream connection to be kept',
  },
  {
    key: 'maxIdleUpstreams',
    name: 'idle-upstreams',
    kind: 'count',
    default: 64,
    help: 'unused upstream connections kept, for each origin',
  },
  {
    key: 'maxLeaves',
    name: 'certificates',
    kind: 'count',
    default: 1000,
    max: 1_000_000,
    help: 'hosts whose certificate is kept at hand; the least recently used is forgotten',
  },
  {
    key: 'drainTimeoutMs',
    name: 'drain-timeout',
    kind: 'duration',
    default: 10 * second,
    help: 'for running exchanges to finish when the proxy stops; then cut',
  },
  {
    key: 'maxWebSocketMessageBytes',
    name: 'websocket-message',
    kind: 'size',
    default: 16 * mebibyte,
    max: 256 * mebibyte,
    help: 'of one WebSocket message shown; a longer one passes, and is told as truncated',
  },
  {
    key: 'ruleBodyBytes',
    name: 'rule-body',
    kind: 'size',
    default: 32 * mebibyte,
    max: 256 * mebibyte,
    help: 'of a body that a rule on models or tools has to read; a longer one is a 413',
  },
  {
    key: 'heldBodiesBytes',
    name: 'held-bodies',
    kind: 'size',
    default: 256 * mebibyte,
    help: 'of all bodies that are read before they are forwarded; past it 503',
  },
  {
    key: 'analysisQueueBytes',
    name: 'analysis-queue',
    kind: 'size',
    default: 64 * mebibyte,
    help: 'waiting for the analyzers; body chunks past it are not analysed, and counted',
  },
  {
    key: 'iteratorMessages',
    name: 'unread-messages',
    kind: 'count',
    default: 10_000,
    help: 'waiting for a slow reader of messages(); more are dropped, and told',
  },
  {
    key: 'captureFileBytes',
    name: 'capture-file',
    kind: 'size',
    default: 256 * mebibyte,
    help: 'of one capture file; then it is rotated and compressed',
  },
  {
    key: 'captureQueueBytes',
    name: 'capture-queue',
    kind: 'size',
    default: 64 * mebibyte,
    help: 'waiting for the disk; whole lines past it are dropped, and counted',
  },
  {
    key: 'stdoutQueueBytes',
    name: 'stdout-queue',
    kind: 'size',
    default: 64 * mebibyte,
    help: 'waiting for the reader of --json; whole lines past it are dropped, and told',
  },
  {
    key: 'maxViewers',
    name: 'viewers',
    kind: 'count',
    default: 16,
    help: 'viewers attached at a time; one more is turned away',
  },
  {
    key: 'viewerQueueBytes',
    name: 'viewer-queue',
    kind: 'size',
    default: 8 * mebibyte,
    help: 'waiting for one viewer; lines past it are dropped, and told',
  },
  {
    key: 'snapshotBytes',
    name: 'viewer-history',
    kind: 'size',
    default: 8 * mebibyte,
    help: 'of recent messages kept for viewers to come; the oldest exchanges are forgotten',
  },
] as const satisfies readonly BoundRow[]

export type BoundKey = (typeof boundTable)[number]['key']

/** Every bound by its key: milliseconds, bytes or a count. Infinity stands for `off`. */
export type Bounds = Readonly<Record<BoundKey, number>>

/** The table's rows as what they have in common. */
export const boundRows: ReadonlyArray<BoundRow & { readonly key: BoundKey }> = boundTable

export const defaultBounds: Bounds = Object.freeze(
  Object.fromEntries(boundTable.map((row) => [row.key, row.default])) as Bounds,
)
