/** The JSON Schema of one line of a capture, generated from the zod schema and shipped with it. */
import { z } from 'zod'

import { captureLineSchema } from './capture-line.ts'

export function messageJsonSchema(): Record<string, unknown> {
  // `input`, since its objects stay open: fields that a later version adds must be accepted.
  return {
    title: 'One line of a Porthole capture',
    ...z.toJSONSchema(captureLineSchema, { io: 'input', reused: 'ref' }),
  }
}
