import { describe, expect, test } from 'vitest'

import { createFramingSniffer } from '../../../analyzers/wire/stream-events.ts'

describe('the sniffer', () => {
  test('believes the media type', () => {
    expect(createFramingSniffer('text/event-stream').push(Buffer.from('{'))).toBe('sse')
    expect(createFramingSniffer('application/json').push(Buffer.from('data: x'))).toBe('none')
  })

  test.each(['data: x', 'data:{', 'event: x', ': OPENROUTER PROCESSING', '\ufeffdata: x'])(
    'takes %j for a stream where the type says nothing',
    (head) => {
      const sniffer = createFramingSniffer(undefined)
      const verdicts = [...Buffer.from(head)].map((byte) => sniffer.push(Uint8Array.of(byte)))

      expect(verdicts.at(-1)).toBe('sse')
      expect(createFramingSniffer('text/plain').push(Buffer.from(head))).toBe('sse')
    },
  )

  test.each(['{"data":1}', 'database error', ':smile: hello'])('takes %j for none', (body) => {
    const sniffer = createFramingSniffer('application/octet-stream')
    const verdicts = [...Buffer.from(body)].map((byte) => sniffer.push(Uint8Array.of(byte)))

    expect(verdicts.at(-1)).toBe('none')
  })
})
