/** Every recorded exchange in every format of the export: valid archives, commands that are one. */
import { execFileSync } from 'node:child_process'

import { har } from 'har-validator'
import { describe, expect, test } from 'vitest'

import { exportRecord } from '../../src/capture/export/export-record.ts'
import { decodeLine } from '../../src/messages/codec.ts'
import { readBlocks } from '../support/markdown-blocks.ts'
import { corpusPath, readCorpus, specOf } from '../support/recorded-exchanges.ts'
import { gatherMessages, recordOfExchange } from '../support/records.ts'

const options = { porthole: '0.1.0' }

describe.skipIf(corpusPath === undefined)('the corpus', () => {
  const records = readCorpus().map((recording) => recordOfExchange(specOf(recording)))

  test('makes archives that are valid', async () => {
    for (const record of records) {
      await har(JSON.parse(exportRecord(record, 'har', options)))
    }
    expect(records.length).toBeGreaterThan(20)
  })

  test('makes commands that a shell can read', () => {
    const script = records.map((record) => exportRecord(record, 'curl', options)).join('\n')

    // It stops before it runs any: `-n` reads alone.
    execFileSync('/bin/sh', ['-n'], { input: script })
  })

  test('makes captures that give the same record again', () => {
    for (const record of records) {
      const lines = exportRecord(record, 'jsonl', options).trimEnd().split('\n').map(decodeLine)
      const messages = lines.flatMap((line) => (line.ok && line.type === 'message' ? line.msg : []))
      const [again] = gatherMessages(messages)

      expect(lines.every(({ ok }) => ok)).toBe(true)
      expect(again?.response.bytes).toBe(record.response.bytes)
      expect(again?.response.isCut).toBe(record.response.isCut)
      expect(again?.calls.map(({ answered }) => answered?.model)).toEqual(
        record.calls.map(({ answered }) => answered?.model),
      )
    }
  })

  test('makes Markdown whose fences are all closed', () => {
    for (const record of records) {
      expect(readBlocks(exportRecord(record, 'markdown', options)).isClosed).toBe(true)
    }
  })
})
