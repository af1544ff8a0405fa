/**
 * What messages are made of: parts of prompts and answers, forms, token counts, prices. The messages
 * themselves, and the rule that nothing here is ever changed, only added to, are in `schema.ts`.
 */
import { z } from 'zod'

export const count = z.int().nonnegative()
export const milliseconds = z.number().nonnegative()

/** Images and audio by what their headers say: pixels, and milliseconds of sound. */
export const dimensions = {
  width: count.optional(),
  height: count.optional(),
  durationMs: milliseconds.optional(),
}

/** One part of `multipart/form-data`: a field with its text, or a file without its content. */
export const formPart = z.object({
  name: z.string().optional(),
  filename: z.string().optional(),
  mediaType: z.string().optional(),
  /** Absent if its end did not come. */
  bytes: count.optional(),
  /** Its beginning, if it is no file and well-formed UTF-8. */
  text: z.string().optional(),
  ...dimensions,
})

/** A piece of a prompt or an answer; content that is not text is described, never dumped. */
export const part = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('reasoning'), text: z.string() }),
  z.object({
    type: z.literal('tool-call'),
    id: z.string().optional(),
    name: z.string(),
    arguments: z.string(),
  }),
  z.object({ type: z.literal('tool-result'), id: z.string().optional(), text: z.string() }),
  z.object({
    type: z.literal('media'),
    mediaType: z.string(),
    bytes: count.optional(),
    ...dimensions,
  }),
  z.object({ type: z.literal('other'), name: z.string(), text: z.string() }),
])

/** Disjoint buckets: fresh input, cache reads, cache writes and output never overlap. */
export const usage = z.object({
  inputTokens: count,
  cacheReadTokens: count,
  cacheWriteTokens: count,
  outputTokens: count,
  /** Part of `outputTokens`. */
  reasoningTokens: count,
  totalTokens: count,
  source: z.enum(['reported', 'estimated']),
})

/** `usd` is absent when the confidence is `unknown`: an unknown price is never zero. */
export const cost = z.object({
  usd: z.number().nonnegative().optional(),
  confidence: z.enum(['exact', 'estimated', 'unknown']),
  lines: z.array(
    z.object({ bucket: z.string(), tokens: count, usdPerMillion: z.number(), usd: z.number() }),
  ),
  priceSource: z.string().optional(),
  priceDate: z.string().optional(),
})

/** Why something has no answer. */
export const failure = z.object({ type: z.string(), message: z.string() })

export type DeepReadonly<T> =
  T extends ReadonlyArray<infer Item>
    ? T extends readonly [infer A, infer B]
      ? readonly [A, B]
      : ReadonlyArray<DeepReadonly<Item>>
    : T extends object
      ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
      : T
