import { expect, test } from 'vitest'

import { headOf } from '../../../src/capture/line-kind.ts'
import { encodeLine } from '../../../src/messages/codec.ts'
import { samples } from '../messages/samples.ts'

function head(line: string): ReturnType<typeof headOf> {
  return headOf({ at: 0, end: 0, split: { ok: true, bytes: Buffer.from(line) } })
}

test.each(samples.map((msg) => [msg.kind, msg] as const))(
  'a line of %s is told by its head',
  (kind, msg) => {
    expect(head(encodeLine(msg))).toMatchObject({ kind, exchangeId: msg.exchangeId })
  },
)

test.each([
  '{"agent":"\\"kind\\":\\"request-body\\"","kind":"request-ended"}',
  '{"v":1,"seq":1,"at":1,"nested":{"kind":"request-body"},"kind":"request-ended"}',
  ' {"v":1,"kind":"request-body"}',
  'not JSON',
  '',
])('of %j the kind is not told wrongly', (line) => {
  expect(head(line).kind).toBeUndefined()
})
