import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { encodeLine } from '../../../src/messages/codec.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { loadRecordings } from '../../../src/serve/load-recordings.ts'

let folder = ''
let path = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-serve-'))
  path = join(folder, 'capture.jsonl')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function exchange(exchangeId: string): string {
  const drafts = [
    {
      kind: 'request-started',
      method: 'GET',
      url: 'https://api.openai.com/v1/models',
      httpVersion: '1.1',
      headers: [],
      host: 'api.openai.com',
    },
    { kind: 'request-ended', bytes: 0 },
    { kind: 'response-started', status: 200, headers: [], ttfbMs: 1 },
    { kind: 'response-body', text: exchangeId, offset: 0 },
    { kind: 'response-ended', bytes: exchangeId.length, durationMs: 1 },
    { kind: 'exchange-completed', status: 200, requestBytes: 0, responseBytes: 1, durationMs: 1 },
  ]
  return drafts
    .map((draft, seq) => encodeLine({ v: 1, seq, at: seq, exchangeId, ...draft } as AnalysisMsg))
    .join('')
}

test('reads what a capture holds, and says which lines it could not', async () => {
  writeFileSync(path, `${exchange('x1')}not json\n${exchange('x2')}`)

  const { recordings, problems } = await loadRecordings(path)

  expect(recordings.map(({ id }) => id)).toEqual(['x1', 'x2'])
  expect(problems).toEqual([expect.stringMatching(/^line 7: /u)])
})

test('leaves out what is too large in all, and says how much', async () => {
  writeFileSync(path, exchange('first') + exchange('second'))

  const { recordings, problems } = await loadRecordings(path, 7)

  expect(recordings.map(({ id }) => id)).toEqual(['first'])
  expect(problems).toEqual(['1 recordings were left out: they are too large in all'])
})

test('rejects where there is no such file', async () => {
  await expect(loadRecordings(path)).rejects.toMatchObject({ code: 'ERR_CAPTURE_UNREADABLE' })
})
