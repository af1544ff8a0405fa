import { describe, expect, test } from 'vitest'

import { parseJsonPath } from '../../../src/serve/json-path.ts'
import { describeMiss } from '../../../src/serve/miss-text.ts'
import type { AskedRequest, Finding } from '../../../src/serve/recording-library.ts'
import { RecordingLibrary } from '../../../src/serve/recording-library.ts'
import type { Recording } from '../../../src/serve/recording.ts'
import { recording } from './sample-recordings.ts'

interface Options {
  readonly once?: boolean
  readonly ignored?: readonly string[]
}

function library(recordings: readonly Recording[], options: Options = {}): RecordingLibrary {
  const { once = false, ignored = [] } = options
  return new RecordingLibrary(recordings, { once, ignored: ignored.map(parseJsonPath) })
}

function asked(body: unknown, over: Partial<AskedRequest> = {}): AskedRequest {
  return {
    method: 'POST',
    target: '/v1/chat/completions',
    host: '127.0.0.1:4010',
    mediaType: 'application/json',
    body: Buffer.from(JSON.stringify(body)),
    ...over,
  }
}

/** The id of the recording, or why there was none. */
function outcome(finding: Finding): string {
  return finding.kind === 'hit' ? finding.recording.id : finding.reason
}

describe('the same request, recorded several times', () => {
  const body = { model: 'm' }
  const three = [
    recording({ id: 'c', startedAt: 30, body }),
    recording({ id: 'a', startedAt: 10, body }),
    recording({ id: 'b', startedAt: 20, body }),
  ]

  test('is answered in the recorded order, and then as the last time', () => {
    const found = library(three)

    expect(Array.from({ length: 5 }, () => outcome(found.find(asked(body))))).toEqual([
      'a',
      'b',
      'c',
      'c',
      'c',
    ])
  })

  test('is answered as often as it was recorded, if once only', () => {
    const found = library(three, { once: true })

    expect(Array.from({ length: 4 }, () => outcome(found.find(asked(body))))).toEqual([
      'a',
      'b',
      'c',
      'used-up',
    ])
  })

  test('passes over those that cannot be served, unless there is no other', () => {
    const gap = { kind: 'unservable', why: 'its answer is not whole' } as const
    const first = recording({ id: 'gap', body, answer: gap })
    const both = library([first, recording({ id: 'whole', body })])
    const alone = library([first]).find(asked(body))

    expect(outcome(both.find(asked(body)))).toBe('whole')
    expect(outcome(alone)).toBe('unservable')
    expect(alone.kind === 'miss' ? describeMiss(alone, []) : '').toContain('is not whole')
  })
})

test('the same to the letter comes before the same but for ids and dates', () => {
  const at = (date: string) => ({ system: `It is ${date}.`, metadata: { user_id: date } })
  const found = library([
    recording({ id: 'monday', body: at('2025-11-24') }),
    recording({ id: 'tuesday', body: at('2025-11-25') }),
  ])

  expect(outcome(found.find(asked(at('2025-11-25'))))).toBe('tuesday')
  expect(outcome(found.find(asked(at('2026-01-01'))))).toBe('monday')
})

test('a request that was masked when it was recorded is found by the rest of it', () => {
  const found = library([
    recording({ id: 'other', body: { text: 'my key is [REDACTED]**', n: 2 } }),
    recording({ id: 'masked', body: { text: 'my key is [REDACTED]**', n: 1 } }),
  ])

  expect(outcome(found.find(asked({ text: 'my key is sk-live-0123456789', n: 1 })))).toBe('masked')
  expect(outcome(found.find(asked({ text: 'your key is sk-live', n: 1 })))).toBe('differs')
})

test('fields that are ignored do not count', () => {
  const recordings = [recording({ id: 'x', body: { a: 1, t: 0.5 } })]

  expect(outcome(library(recordings).find(asked({ a: 1, t: 0.7 })))).toBe('differs')
  expect(outcome(library(recordings, { ignored: ['$.t'] }).find(asked({ a: 1 })))).toBe('x')
})

describe('the host', () => {
  const body = { model: 'm' }
  const found = library([
    recording({ id: 'openai', body }),
    recording({ id: 'groq', host: 'api.groq.com', body }),
    recording({ id: 'local', host: 'localhost:11434', path: '/api/chat', body }),
  ])

  test.each<[string, Partial<AskedRequest>, string]>([
    ['is the first that has the path, where none is named', {}, 'openai'],
    ['is the one in the Host field', { host: 'api.groq.com' }, 'groq'],
    ['is the one before the path', { target: '/api.groq.com/v1/chat/completions' }, 'groq'],
    ['has its port', { target: '/localhost:11434/api/chat' }, 'local'],
    [
      'is the one of an absolute target',
      { target: 'http://api.groq.com/v1/chat/completions' },
      'groq',
    ],
    [
      'is none where it is not recorded',
      { target: 'http://api.x.ai/v1/chat/completions' },
      'not-recorded',
    ],
  ])('%s', (_, over, id) => {
    expect(outcome(found.find(asked(body, over)))).toBe(id)
  })
})

test('the query counts, in any order, but for its secrets', () => {
  const found = library([recording({ id: 'x', query: 'alt=sse&key=[REDACTED]&b=1' })])
  const at = (query: string) =>
    found.find(asked({ model: 'm' }, { target: `/v1/chat/completions?${query}` }))

  expect(outcome(at('b=1&alt=sse&key=AIzaOther'))).toBe('x')
  expect(at('b=2&alt=sse')).toMatchObject({
    reason: 'differs',
    difference: { path: 'query.b', recorded: '"1"', asked: '"2"' },
  })
})

test('a path is the same however its percent signs are written', () => {
  const found = library([recording({ id: 'x', path: '/model/a:b/converse' })])

  expect(outcome(found.find(asked({ model: 'm' }, { target: '/model/a%3ab/converse' })))).toBe('x')
})

describe('a miss', () => {
  const messages = (...contents: string[]) => ({
    model: 'm',
    messages: contents.map((content) => ({ role: 'user', content })),
  })
  const recordings = [
    recording({ id: 'long', body: messages('one', 'two', 'three') }),
    recording({ id: 'short', body: messages('one') }),
  ]

  test('names the recording that differs least, and where', () => {
    const miss = library(recordings).find(asked(messages('one', 'two', 'four')))

    expect(miss).toMatchObject({
      reason: 'differs',
      nearest: { id: 'long' },
      difference: { path: '$.messages[2].content', recorded: '"three"', asked: '"four"' },
      differences: 1,
    })
    expect(miss.kind === 'miss' ? describeMiss(miss, recordings) : '').toBe(
      'POST /v1/chat/completions: nearest is recording long, which differs in ' +
        '$.messages[2].content: recorded "three", asked "four"',
    )
  })

  test('says so where the nearest could not be served either', () => {
    const gap = { kind: 'unservable', why: 'its request is not whole in the capture' } as const
    const cut = [recording({ body: '{"model":"m","mess', answer: gap })]
    const miss = library(cut).find(asked(messages('one')))

    expect(miss.kind === 'miss' ? describeMiss(miss, cut) : '').toMatch(
      /; it could not be served either: its request is not whole in the capture$/u,
    )
  })

  test('of a path that was not recorded names those that were', () => {
    const miss = library(recordings).find(asked({}, { target: '/v1/responses', method: 'GET' }))

    expect(miss.kind === 'miss' ? describeMiss(miss, recordings) : '').toBe(
      'GET /v1/responses: not recorded; recorded are POST api.openai.com/v1/chat/completions',
    )
  })

  test('says what it says in printable characters', () => {
    const miss = library(recordings).find(asked({ '\u001b[31m': '\r\n' }, { target: '/\u001b' }))

    expect(miss.kind === 'miss' ? describeMiss(miss, recordings) : '').not.toMatch(
      /[\u0000-\u001f]/u,
    )
  })
})

test('says which recordings were never asked for', () => {
  const found = library([recording({ id: 'a', body: 1 }), recording({ id: 'b', body: 2 })])
  found.find(asked(2))

  expect(found.unused().map(({ id }) => id)).toEqual(['a'])
})
