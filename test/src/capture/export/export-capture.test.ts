import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { har } from 'har-validator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { exportCapture } from '../../../../src/capture/export/export-capture.ts'
import type { ExportFormat } from '../../../../src/capture/export/export-format.ts'
import { readCapture } from '../../../../src/capture/reader.ts'
import type { CaptureLine, CaptureProblemLine } from '../../../../src/capture/reader.ts'
import { decodeLine, encodeLine } from '../../../../src/messages/codec.ts'
import type { AnalysisMsg } from '../../../../src/messages/schema.ts'
import { parseFilter } from '../../../../src/query/filter.ts'
import { specOf } from '../../../support/recorded-exchanges.ts'
import { analyzedMessages, recordedFixtures } from '../../../support/records.ts'

const fixtures = recordedFixtures()
/** What a capture does not hold, for it is made again from the bytes. */
const rebuilt = new Set(['http-parsed', 'sse-event'])
const messages = analyzedMessages(fixtures.map(specOf)).filter(({ kind }) => !rebuilt.has(kind))

let folder = ''
let capture = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-export-'))
  capture = join(folder, 'traffic.jsonl')
  const header = encodeLine({ kind: 'capture-opened', v: 1, porthole: '0', startedAt: 5 })
  await writeFile(capture, header + messages.map(encodeLine).join(''))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

interface Exported {
  readonly text: string
  readonly count: number
  readonly problems: readonly CaptureProblemLine[]
}

async function exported(format: ExportFormat, filter?: string, path = capture): Promise<Exported> {
  const parsed = parseFilter(filter ?? '')
  if (!parsed.ok) throw new Error(parsed.problem)
  const problems: CaptureProblemLine[] = []
  const pieces = exportCapture({
    read: () => readCapture(path),
    format,
    filter: filter === undefined ? undefined : parsed.filter,
    options: { porthole: '1.2.3' },
    onProblem: (line) => problems.push(line),
  })
  let text = ''
  for (let next = await pieces.next(); ; next = await pieces.next()) {
    if (next.done === true) return { text, count: next.value.count, problems }
    text += next.value
  }
}

async function readLines(text: string): Promise<CaptureLine[]> {
  const path = join(folder, 'again.jsonl')
  await writeFile(path, text)
  const lines: CaptureLine[] = []
  for await (const line of readCapture(path)) lines.push(line)
  return lines
}

function messagesIn(lines: readonly CaptureLine[]): AnalysisMsg[] {
  return lines.flatMap((line) => (line.type === 'message' ? line.msg : []))
}

describe('a capture', () => {
  test('becomes a valid archive of all its exchanges', async () => {
    const { text, count } = await exported('har')
    const archive = JSON.parse(text) as { log: { entries: unknown[] } }

    await expect(har(archive)).resolves.toBeTruthy()
    expect(archive.log.entries).toHaveLength(fixtures.length)
    expect(count).toBe(fixtures.length)
  })

  test('becomes a command for each exchange, and a heading for each call', async () => {
    const commands = await exported('curl')
    const calls = await exported('markdown')

    expect(commands.text.match(/^(?:printf .*\| )?curl --request /gmu)).toHaveLength(
      fixtures.length,
    )
    expect(calls.text.match(/^## \d+ · /gmu)?.length).toBe(calls.count)
    expect(calls.count).toBeGreaterThan(20)
  })

  test('becomes a capture with the same messages', async () => {
    const { text, count } = await exported('jsonl')

    expect(decodeLine(text.split('\n')[0] ?? '')).toMatchObject({
      header: { porthole: '1.2.3', startedAt: 5 },
    })
    expect(messagesIn(await readLines(text))).toEqual(messages)
    expect(count).toBe(fixtures.length)
  })

  test('gives what a filter chooses, in the order in which it was', async () => {
    const { text, count } = await exported('jsonl', '~provider anthropic | ~c 404')
    const lines = await readLines(text)
    const chosen = new Set(messagesIn(lines).map(({ exchangeId }) => exchangeId))

    expect(lines.map(({ type }) => type)).not.toContain('problem')
    expect(messagesIn(lines)).toEqual(messages.filter(({ exchangeId }) => chosen.has(exchangeId)))
    expect(chosen.size).toBe(count)
    expect(count).toBeGreaterThan(2)
    expect(count).toBeLessThan(fixtures.length)
    expect((await exported('har', '~provider anthropic | ~c 404')).count).toBe(count)
  })

  test('of which nothing is chosen is an empty document of its kind', async () => {
    expect(JSON.parse((await exported('har', '~d nowhere')).text)).toMatchObject({
      log: { entries: [] },
    })
    expect((await exported('curl', '~d nowhere')).text).toBe('')
    expect(await readLines((await exported('jsonl', '~d nowhere')).text)).toMatchObject([
      { type: 'header' },
    ])
  })

  test('keeps what it does not know of a chosen exchange, and its connection', async () => {
    const path = join(folder, 'odd.jsonl')
    const [started] = messages
    const id = started?.exchangeId
    const odd = { v: 1, seq: 0, at: 1, kind: 'from-the-future' }
    const opened = { kind: 'connection-opened', clientAddress: '::1', clientPort: 1 }
    await writeFile(
      path,
      [
        { v: 1, seq: 0, at: 1, connectionId: 'c1', ...opened },
        { v: 1, seq: 0, at: 1, connectionId: 'c2', ...opened },
        ...messages.filter((msg) => msg.exchangeId === id),
        { ...odd, exchangeId: id },
        { ...odd, exchangeId: 'another' },
      ]
        .map((value) => `${JSON.stringify(value)}\n`)
        .join(''),
    )
    const lines = await readLines((await exported('jsonl', '~m POST', path)).text)

    expect(lines.map(({ type }) => type).filter((type) => type !== 'message')).toEqual([
      'header',
      'unknown',
    ])
    expect(messagesIn(lines)[0]).toMatchObject({ kind: 'connection-opened', connectionId: 'c1' })
    expect(messagesIn(lines)[1]).toMatchObject({ kind: 'request-started' })
  })

  test.each(['har', 'jsonl', 'curl', 'markdown'] as const)(
    'with damaged lines is exported as %s all the same, and they are told once',
    async (format) => {
      const path = join(folder, 'damaged.jsonl')
      const lines = messages.slice(0, 40).map(encodeLine)
      await writeFile(path, [lines[0], '{"broken\n', ...lines.slice(1)].join(''))
      const { problems, count } = await exported(format, '~all', path)

      expect(problems.map(({ lineNumber }) => lineNumber)).toEqual([2])
      expect(count).toBeGreaterThan(0)
    },
  )
})
