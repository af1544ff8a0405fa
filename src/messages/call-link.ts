/**
 * What is said of a model call beyond its own request and answer, as schemas: its place in a
 * conversation, and the allowance that is left. Part of `AnalysisMsg`; see `schema.ts`.
 */
import { z } from 'zod'

const count = z.int().nonnegative()
const milliseconds = z.number().nonnegative()

/** What the answer's header fields say about the allowance of the key that was used. */
export const rateLimits = z.object({
  limits: z.array(
    z.object({
      /** `requests`, `tokens`, `input-tokens`, `output-tokens`, or the provider's own name. */
      of: z.string(),
      limit: z.number().nonnegative().optional(),
      remaining: z.number().nonnegative().optional(),
      /** Share of the limit that is used up, where 1 is all of it. */
      utilization: z.number().nonnegative().optional(),
      /** Milliseconds since the epoch. */
      resetAt: count.optional(),
    }),
  ),
  /** How long the provider asks to wait. */
  retryAfterMs: count.optional(),
})

/** Fields of `call-linked`. Nothing in it is guessed: what cannot be told from the messages is absent or `unknown`. */
export const callLinkShape = {
  /** The same for all calls of one conversation, on every reading of the same messages. */
  sessionId: z.string(),
  /**
   * What ties the call to its session: an id of the client in a header or in the body, the response
   * or the conversation that it continues, its cache key, a tool call that it answers or serves, its
   * shared history; or `new`, where nothing ties it to an earlier one.
   */
  sessionSource: z.enum([
    'header',
    'body',
    'previous-response',
    'conversation',
    'cache-key',
    'tool-call',
    'history',
    'new',
  ]),
  /** As the client wrote it, where `sessionSource` is an id. */
  clientSessionId: z.string().optional(),
  /** From 1; a turn begins with what a user says, and not with the result of a tool. */
  turn: count,
  /** `side`: a title, a quota check, a summary of a page: a call beside the conversation. */
  branch: z.enum(['main', 'sub-agent', 'side', 'unknown']),
  /** The same for all calls that continue one history. */
  branchId: z.string(),
  /** Whose answer asked for the tool that this branch serves. */
  parentExchangeId: z.string().optional(),
  parentToolCallId: z.string().optional(),
  /** The call before it in its branch that was not turned away. */
  previousExchangeId: z.string().optional(),
  /** Messages from the start that are those of the previous call; system prompts not counted. */
  sharedMessages: count.optional(),
  /** What the previous call reported for exactly that prefix, where it did. */
  sharedTokens: count.optional(),
  /** Against the previous call: `message`, an earlier message differs or is gone. */
  changed: z.array(z.enum(['model', 'tools', 'system', 'message', 'appended'])),
  /** Of `message`: the first, as an index into `messages` of `model-called`. */
  changedMessage: count.optional(),
  cache: z.object({
    /** `partial`: less was read from the prompt cache than the previous call had left there. */
    verdict: z.enum(['hit', 'partial', 'miss', 'unknown']),
    reason: z
      .enum([
        'first-call',
        'not-requested',
        'below-minimum',
        'model-changed',
        'tools-changed',
        'system-changed',
        'message-changed',
        'expired',
        'maybe-expired',
        'previous-unfinished',
        'previous-not-cached',
        'no-usage',
        'no-cache-counts',
        'unknown',
      ])
      .optional(),
    /** What could have been read. */
    expectedTokens: count.optional(),
  }),
  /** From 1; more where the client sends the same request again after a failure. */
  attempt: count,
  /** The attempt before this one. */
  retryOf: z.string().optional(),
  /** Results of tools that this call brings for the first time. */
  toolResults: z.array(
    z.object({
      id: z.string().optional(),
      name: z.string().optional(),
      /** The exchange whose answer called the tool. */
      calledBy: z.string().optional(),
      /** From that answer to this request. */
      waitedMs: milliseconds.optional(),
      /** As the request says; absent where its format has no word for it. */
      isError: z.boolean().optional(),
    }),
  ),
}
