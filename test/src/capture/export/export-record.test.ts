import { har } from 'har-validator'
import { describe, expect, test } from 'vitest'

import { exportRecord } from '../../../../src/capture/export/export-record.ts'
import { decodeLine } from '../../../../src/messages/codec.ts'
import type { AnalysisMsg } from '../../../../src/messages/schema.ts'
import { specOf } from '../../../support/recorded-exchanges.ts'
import {
  gatherMessages,
  recordOfExchange,
  recordOfFixture,
  recordedFixtures,
} from '../../../support/records.ts'

const options = { porthole: '1.2.3' }

function messagesOf(capture: string): AnalysisMsg[] {
  return capture
    .trimEnd()
    .split('\n')
    .map(decodeLine)
    .flatMap((line) => (line.ok && line.type === 'message' ? line.msg : []))
}

describe('one record', () => {
  test('is an archive of one entry', async () => {
    const archive: unknown = JSON.parse(exportRecord(recordOfFixture('chat-gzip'), 'har', options))

    await expect(har(archive)).resolves.toBeTruthy()
    expect(archive).toMatchObject({
      log: { creator: { version: '1.2.3' }, entries: [{ request: { method: 'POST' } }] },
    })
  })

  test.each(recordedFixtures().map((fixture) => [fixture.id, fixture] as const))(
    'is a capture that gives it again: %s',
    (_, fixture) => {
      const record = recordOfExchange({ ...specOf(fixture), chunkSize: 700 })
      const capture = exportRecord(record, 'jsonl', options)
      const [again] = gatherMessages(messagesOf(capture))

      expect(decodeLine(capture.split('\n')[0] ?? '')).toMatchObject({
        type: 'header',
        header: { porthole: '1.2.3' },
      })
      expect(again?.request).toEqual(record.request)
      expect(again?.response).toEqual(record.response)
      expect(again?.calls.length).toBe(record.calls.length)
      expect(messagesOf(capture).map(({ seq }) => seq)).toEqual(
        Array.from(messagesOf(capture), (_, seq) => seq),
      )
    },
  )

  test('is a command, or a conversation', () => {
    const record = recordOfFixture('messages-tools-stream')

    expect(exportRecord(record, 'curl', options)).toMatch(
      /curl --request POST [\s\S]*messages'?\n$/u,
    )
    expect(exportRecord(record, 'markdown', options)).toMatch(/^## 1 · /u)
  })

  test('that is a tunnel is an empty archive, and a comment', async () => {
    const closed = { kind: 'tunnel-closed', host: 'a', port: 443, bytesUp: 1, bytesDown: 1 }
    const [tunnel] = gatherMessages([
      { v: 1, seq: 0, at: 1, connectionId: 'c', durationMs: 1, ...closed } as AnalysisMsg,
    ])
    if (tunnel === undefined) throw new Error('no record')

    expect(JSON.parse(exportRecord(tunnel, 'har', options))).toMatchObject({ log: { entries: [] } })
    expect(exportRecord(tunnel, 'curl', options)).toMatch(/^# [^\n]+\n$/u)
    expect(messagesOf(exportRecord(tunnel, 'jsonl', options))).toHaveLength(1)
  })
})
