/** The JSON Schema of one line of a capture, generated from the zod schema and shipped with it. */
import { z } from 'zod'

import { analysisMsgSchema, captureOpenedSchema } from './schema.ts'

export function messageJsonSchema(): Record<string, unknown> {
  return {
    title: 'One line of a Porthole capture',
    ...z.toJSONSchema(z.union([captureOpenedSchema, analysisMsgSchema]), { reused: 'ref' }),
  }
}
