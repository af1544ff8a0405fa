/** What all messages have in common, and how a kind of them is spelled. */
import { z } from 'zod'

/** Version of the format, in every message as `v`. */
export const messageVersion = 1

/** What every message has. */
export const common = {
  v: z.literal(messageVersion),
  /** Per process, rises by one with every message. */
  seq: z.int().nonnegative(),
  /** Wall-clock milliseconds since the epoch. */
  at: z.int().nonnegative(),
  connectionId: z.string().optional(),
  exchangeId: z.string().optional(),
  agent: z.string().optional(),
}

/** Adds the common fields to those of one kind. */
export function kind<K extends string, S extends z.ZodRawShape>(
  name: K,
  shape: S,
): z.ZodObject<{ kind: z.ZodLiteral<K> } & typeof common & S> {
  return z.object({ kind: z.literal(name), ...common, ...shape })
}
