/** Recordings for tests, of which only what matters is given. */
import type { RecordedAnswer, Recording } from '../../../src/serve/recording.ts'

export function answer(over: Partial<RecordedAnswer> = {}): RecordedAnswer {
  return {
    status: 200,
    statusText: undefined,
    headers: [['Content-Type', 'application/json']],
    headAfterMs: 0,
    chunks: [{ afterMs: 0, bytes: Buffer.from('{}') }],
    endAfterMs: 0,
    trailers: [],
    isBroken: false,
    ...over,
  }
}

let made = 0

/** `body` is sent as JSON unless it is a string. */
export function recording(
  over: Partial<Omit<Recording, 'body'>> & { readonly body?: unknown } = {},
): Recording {
  made += 1
  const { body = { model: 'm' }, ...rest } = over
  return {
    id: `x${made}`,
    startedAt: made,
    method: 'POST',
    host: 'api.openai.com',
    path: '/v1/chat/completions',
    query: '',
    mediaType: 'application/json',
    answer: { kind: 'answer', answer: answer() },
    ...rest,
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  }
}
