import { expect, test } from 'vitest'

import { blobSchema, bodyKinds, captureLineSchema } from '../../../src/messages/capture-line.ts'
import { samples } from './samples.ts'

test('a blob keeps its content as it is', () => {
  const blob = { kind: 'blob', hash: 'h', json: [{ role: 'user', parts: [] }] }

  expect(blobSchema.parse(blob)).toEqual(blob)
  expect(blobSchema.safeParse({ kind: 'blob', text: 'x' }).success).toBe(false)
})

test.each(samples.map((msg) => [msg.kind, msg] as const))(
  '%s stands in a capture',
  (_kind, msg) => {
    expect(captureLineSchema.safeParse(msg).success).toBe(true)
  },
)

test.each(bodyKinds)('%s may have refs for its bytes', (kind) => {
  const line = {
    v: 1,
    seq: 0,
    at: 1,
    kind,
    offset: 0,
    direction: 'request',
    opcode: 1,
    refs: ['h'],
  }

  expect(captureLineSchema.safeParse(line).success).toBe(true)
})
