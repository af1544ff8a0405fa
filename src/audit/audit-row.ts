/**
 * What is read of the audit: one row for each decision, joined with how it ended, and one for each
 * act. The schema is what `porthole audit --json` prints; fields are added, never changed.
 */
import { z } from 'zod'

const count = z.int().nonnegative()

const common = {
  v: z.literal(1),
  /** Of the entry in the chain, from 1. */
  number: z.int().positive(),
  /** Of the entry: SHA-256, hexadecimal. */
  hash: z.string(),
  /** Epoch milliseconds. */
  at: count,
  /** The process that wrote it, and since when it ran. */
  pid: count,
  startedAt: count,
}

const outcome = z.object({
  number: z.int().positive(),
  at: count,
  status: count.optional(),
  bytesUp: count.optional(),
  bytesDown: count.optional(),
  durationMs: z.number().nonnegative().optional(),
  inputTokens: count.optional(),
  outputTokens: count.optional(),
  /** US dollars. */
  usd: z.number().nonnegative().optional(),
  models: z.array(z.string()).optional(),
  /** Names of secrets that were put into the request. */
  secrets: z.array(z.string()).optional(),
  tokensReplaced: count.optional(),
  tokensStripped: count.optional(),
  error: z.string().optional(),
  /** After an act on the vault: the hash of all that it then said. */
  vault: z.string().optional(),
})

const decisionRow = z.object({
  ...common,
  kind: z.literal('decision'),
  connectionId: z.string(),
  exchangeId: z.string().optional(),
  agent: z.string().optional(),
  subject: z.enum(['connect', 'request']),
  host: z.string().optional(),
  port: z.int().min(0).max(65_535).optional(),
  method: z.string().optional(),
  /** Secrets in it are masked. */
  path: z.string().optional(),
  /** `deny` too where what a name led to was refused, after the request had been let through. */
  decision: z.enum(['allow', 'deny', 'tunnel']),
  reason: z.string(),
  rule: z.string().optional(),
  /** What the client was answered, where it was refused. */
  status: count.optional(),
  /** Absent as long as it goes on, or where the proxy was killed. */
  outcome: outcome.optional(),
})

const actRow = z.object({
  ...common,
  kind: z.literal('act'),
  id: z.string(),
  /** Name of the user as the operating system has it. */
  user: z.string(),
  action: z.string(),
  target: z.string().optional(),
  details: z.record(z.string(), z.json()).optional(),
  /** Absent where nobody knows whether it was done; with an `error` where it failed. */
  outcome: outcome.optional(),
})

export const auditRowSchema = z.discriminatedUnion('kind', [decisionRow, actRow])

export type AuditRow = z.infer<typeof auditRowSchema>

/** The JSON Schema of one line of `porthole audit --json`. */
export function auditJsonSchema(): Record<string, unknown> {
  return {
    title: 'One row of the Porthole audit',
    // `input`, since its objects stay open: fields that a later version adds must be accepted.
    ...z.toJSONSchema(auditRowSchema, { io: 'input', reused: 'ref' }),
  }
}

/** As stored: what a reader takes for an entry, whoever has written it. */
const storedOutcome = z.object({ ...outcome.shape, kind: z.literal('outcome') })

export interface StoredEntry {
  readonly number: number
  readonly body: string
  readonly hash: string
}

/** A decision or an act without its outcome; undefined for an outcome, and for no entry of ours. */
export function readRow({ number, body, hash }: StoredEntry): AuditRow | undefined {
  // Half of all entries: to be told that they are none would cost more than to read the others.
  if (kindOf(body) === 'outcome') return undefined
  const row = auditRowSchema.safeParse({ ...readJson(body), number, hash })
  return row.success ? row.data : undefined
}

/** Undefined for what is no outcome of ours. */
export function readOutcome({ number, body }: StoredEntry): z.infer<typeof outcome> | undefined {
  const read = storedOutcome.safeParse({ ...readJson(body), number })
  if (!read.success) return undefined
  const { kind: _kind, ...ended } = read.data
  return ended
}

/** `row` with how it ended; as it is where `entry` is no outcome of ours. */
export function joinOutcome(row: AuditRow, entry: StoredEntry | undefined): AuditRow {
  if (entry === undefined) return row
  const ended = readOutcome(entry)
  if (ended === undefined) return row
  // The guard looks at what a name leads to, which is after the decision about the name.
  const isRefused = row.kind === 'decision' && ended.error === 'address-denied'
  return isRefused
    ? { ...row, decision: 'deny', reason: 'address-denied', status: ended.status, outcome: ended }
    : { ...row, outcome: ended }
}

/** What an outcome is looked for by; undefined for a row that has none. */
export function outcomeKeyOf(row: AuditRow): string | undefined {
  return row.kind === 'act' ? row.id : row.exchangeId
}

/** Whether the text is an entry of a form that is known here. */
export function isEntry(body: string): boolean {
  return kindOf(body) === 'outcome'
    ? storedOutcome.safeParse({ ...readJson(body), number: 1 }).success
    : readRow({ number: 1, body, hash: '' }) !== undefined
}

/** Without parsing all of it; every entry begins so. */
function kindOf(body: string): string | undefined {
  return /^\{"v":\d+,"kind":"(?<kind>\w+)"/u.exec(body)?.groups?.['kind']
}

function readJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
