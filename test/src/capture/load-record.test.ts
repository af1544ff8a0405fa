import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { loadMessages, loadRecord, loadRecords } from '../../../src/capture/load-record.ts'
import { readCapture } from '../../../src/capture/reader.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import type { ExchangeRecord } from '../../../src/recorded/exchange-record.ts'
import { RecordGatherer } from '../../../src/recorded/record-gatherer.ts'
import { claudeCodeDay } from '../../support/agent-transcripts.ts'
import { chatSteps, recordSteps } from '../../support/recorded-captures.ts'

let folder = ''
let path = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-load-'))
  path = join(folder, 'a.jsonl')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const long = Array.from({ length: 30 }, (_, index) => ({
  asked: `question ${index} ${'padding '.repeat(300)}`,
  answered: `answer ${index}`,
}))

async function readAll(): Promise<AnalysisMsg[]> {
  const messages: AnalysisMsg[] = []
  for await (const line of readCapture(path)) if (line.type === 'message') messages.push(line.msg)
  return messages
}

async function gatherAll(): Promise<ExchangeRecord[]> {
  const gatherer = new RecordGatherer()
  const records = (await readAll()).map((msg) => gatherer.take(msg))
  return [...records, ...gatherer.end()].filter((record) => record !== undefined)
}

describe('an exchange', () => {
  test('is read again as it was gathered from the whole capture', async () => {
    await recordSteps(path, claudeCodeDay())
    const all = await gatherAll()

    expect(all.length).toBeGreaterThan(10)
    for (const record of all) expect(await loadRecord(path, record.id)).toEqual(record)
  })

  test('is found in a rotated capture, from any of its files on', async () => {
    await recordSteps(path, chatSteps(long), { maxBytes: 60_000 })
    const all = await gatherAll()
    const [first, last] = [all[0], all.at(-1)]

    expect(await loadRecord(path, 'x1')).toEqual(first)
    expect(await loadRecord(join(folder, 'a.1.jsonl.gz'), 'x30')).toEqual(last)
    expect(await loadRecord(path, 'x30', 'a.jsonl')).toMatchObject({ id: 'x30' })
    expect(await loadRecord(path, 'x1', 'a.1.jsonl')).toEqual(first)
  })

  test('is found in a compressed file', async () => {
    await recordSteps(path, chatSteps(long))
    const [first] = await gatherAll()
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)))

    expect(await loadRecord(`${path}.gz`, 'x1')).toEqual(first)
  })

  test('that is not there is undefined; a file that is not there is an error', async () => {
    await recordSteps(path, chatSteps(long.slice(0, 2)))

    expect(await loadRecord(path, 'x3')).toBeUndefined()
    await expect(loadRecord(join(folder, 'none.jsonl'), 'x1')).rejects.toMatchObject({
      code: 'ERR_CAPTURE_UNREADABLE',
    })
  })

  test('comes as its messages too', async () => {
    await recordSteps(path, chatSteps(long))
    const all = await readAll()

    const own = all.filter(({ exchangeId }) => exchangeId === 'x7')
    expect(await loadMessages(path, 'x7')).toEqual(own)
    expect(own.length).toBeGreaterThan(5)
  })
})

test('many exchanges are read in one pass', async () => {
  await recordSteps(path, chatSteps(long))
  const found: string[] = []

  await loadRecords(path, new Set(['x2', 'x9', 'x30', 'none']), {}, ({ id }) => void found.push(id))

  expect(found).toEqual(['x2', 'x9', 'x30'])
})
