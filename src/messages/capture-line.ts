/**
 * Lines that only captures have: the bytes of bodies and the content of prompts may stand in blobs,
 * once, and be referred to. Messages are never so outside of a capture; its reader puts them back.
 */
import { z } from 'zod'

import { common } from './message-kind.ts'
import { analysisMsgSchema, captureOpenedSchema } from './schema.ts'

/**
 * Content that stands once in a capture, before its first use: bytes of bodies as `text` or
 * `base64`, model messages or tools as `json`. `hash` names it within its file.
 */
export const blobSchema = z.object({
  kind: z.literal('blob'),
  hash: z.string(),
  text: z.string().optional(),
  base64: z.string().optional(),
  json: z.array(z.json()).optional(),
})
export type Blob = Readonly<z.infer<typeof blobSchema>>

const by = z.string().optional()
const refs = z.array(z.string())
/** What `refs` may stand for: the joined content of blobs, in the place of `text` or `base64`. */
export const bodyKinds = ['request-body', 'response-body', 'websocket-message'] as const

/** Messages as a capture may hold them; what reads a capture gives them as they were live. */
const storedSchemas = [
  z.object({
    ...common,
    kind: z.literal(['request-body', 'response-body']),
    by,
    offset: z.int().nonnegative(),
    refs,
  }),
  z.object({
    ...common,
    kind: z.literal('websocket-message'),
    by,
    direction: z.enum(['request', 'response']),
    opcode: z.int().nonnegative(),
    refs,
  }),
  z.object({
    ...common,
    kind: z.literal('model-called'),
    by,
    provider: z.string(),
    operation: z.string(),
    model: z.string().optional(),
    streaming: z.boolean(),
    /** In the place of `messages`: the joined lists of blobs. */
    messageRefs: refs,
    /** In the place of `tools`, where they are long. */
    toolRefs: refs.optional(),
  }),
] as const

/** One line of a capture: its first line, a blob, or a message, whole or with refs. */
export const captureLineSchema = z.union([
  captureOpenedSchema,
  blobSchema,
  analysisMsgSchema,
  ...storedSchemas,
])
