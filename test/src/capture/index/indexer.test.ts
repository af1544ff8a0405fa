import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import type { IndexDatabase } from '../../../../src/capture/index/database.ts'
import { openIndex, tables } from '../../../../src/capture/index/database.ts'
import { catchUp } from '../../../../src/capture/index/indexer.ts'
import { toMatch } from '../../../../src/capture/index/search-query.ts'
import { findCalls, readCall } from '../../../../src/capture/index/search.ts'
import { claudeCodeDay } from '../../../support/agent-transcripts.ts'
import { chatSteps, recordSteps } from '../../../support/recorded-captures.ts'

let folder = ''
let db: IndexDatabase

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-indexer-'))
  db = await openIndex(join(folder, 'index.db'), { onNotice: () => {} })
})
afterEach(() => {
  db.close()
  rmSync(folder, { recursive: true })
})

const capture = (name = 'a'): string => join(folder, `${name}.jsonl`)

/** Exchanges in which all words were said, by capture and id. */
function find(text: string): string[] {
  return findCalls(db, { match: toMatch(text) })
    .map((id) => readCall(db, id))
    .map((row) => `${row?.capture} ${row?.exchange_id}`)
    .sort()
}

/** All that the index holds, without the ids of its rows. */
function contents(): unknown {
  const calls = db.all(
    tables
      .selectFrom('calls')
      .leftJoin('texts', 'texts.rowid', 'calls.id')
      .innerJoin('captures', 'captures.id', 'calls.capture_id')
      .selectAll('calls')
      .select(['prompt', 'answer', 'texts.tools as said', 'captures.name as capture'])
      .orderBy('captures.name')
      .orderBy('exchange_id')
      .orderBy('call'),
  )
  return calls.map((row) => Object.assign(row, { id: 0, capture_id: 0, file_id: 0 }))
}

const talk = [
  { asked: 'What is the capital of France?', answered: 'Paris' },
  { asked: 'And of Japan?', answered: 'Tokyo' },
  { asked: 'Continue', answered: 'Reykjavik' },
]

describe('a capture', () => {
  test('is found by prompts and answers, each where it was said first', async () => {
    await recordSteps(capture(), chatSteps(talk))

    expect(await catchUp(db, folder)).toEqual({ isWhole: true, problems: [] })

    expect(find('capital france')).toEqual(['a x1'])
    expect(find('paris')).toEqual(['a x1'])
    expect(find('tokyo')).toEqual(['a x2'])
    expect(find('one word')).toEqual(['a x1'])
  })

  test('that says a short thing again is found both times', async () => {
    const again = [...talk, { asked: 'Continue', answered: 'Oslo' }]
    await recordSteps(capture(), chatSteps(again))
    await catchUp(db, folder)

    expect(find('continue')).toEqual(['a x3', 'a x4'])
  })

  test('has its calls with tokens, cost, session and model', async () => {
    await recordSteps(capture(), chatSteps(talk))
    await catchUp(db, folder)

    const [first] = findCalls(db, { match: '"capital"' })
    expect(readCall(db, first ?? 0)).toMatchObject({
      capture: 'a',
      file: 'a.jsonl',
      exchange_id: 'x1',
      kind: 'call',
      method: 'POST',
      host: 'api.openai.com',
      provider: 'openai',
      operation: 'chat',
      model: 'gpt-4o-2024-08-06',
      status: 200,
      has_response: 1,
      stop: 'stop',
      error: null,
      input_tokens: 1000,
      output_tokens: 100,
      cost_confidence: 'exact',
      branch: 'main',
      turn: 1,
      has_ended: 1,
    })
    expect(readCall(db, first ?? 0)?.cost_usd).toBeGreaterThan(0)
    expect(readCall(db, first ?? 0)?.session_id).toMatch(/./u)
  })

  test('of an agent is found by tool calls, their results and errors', async () => {
    await recordSteps(capture(), claudeCodeDay())
    await catchUp(db, folder)

    expect(find('grep config')).toEqual(['a main1'])
    expect(find('"exit 2"')).toEqual(['a main2'])
    expect(find('overloaded')).toEqual(['a main3a', 'a main3b'])
  })

  test('does not hold a history as often as it was sent', async () => {
    const long = Array.from({ length: 60 }, (_, index) => ({
      asked: `question ${index} ${'padding '.repeat(100)}`,
      answered: `answer ${index} ${'filling '.repeat(100)}`,
    }))
    await recordSteps(capture(), chatSteps(long))
    await catchUp(db, folder)

    const texts = db.all(tables.selectFrom('texts').select(['prompt', 'answer']))
    const said = long.reduce((sum, { asked, answered }) => sum + asked.length + answered.length, 0)
    const held = texts.reduce((sum, { prompt, answer }) => sum + prompt.length + answer.length, 0)
    expect(held).toBeLessThan(said * 1.1)
    expect(held).toBeGreaterThan(said * 0.9)
  })

  test('that is gone leaves the index, with all that was said in it', async () => {
    await recordSteps(capture('a'), chatSteps(talk))
    await recordSteps(capture('b'), chatSteps(talk))
    await catchUp(db, folder)
    rmSync(capture('a'))
    await catchUp(db, folder)

    expect(find('paris')).toEqual(['b x1'])
    expect(db.all(tables.selectFrom('texts').select('rowid'))).toHaveLength(3)
    expect(db.all(tables.selectFrom('captures').select('name'))).toEqual([{ name: 'b' }])
  })

  test('with lines that cannot be read is indexed but for those, and they are counted', async () => {
    await recordSteps(capture(), chatSteps(talk))
    appendFileSync(capture(), '{"v":1,"seq":1,\nnot JSON\n')
    await catchUp(db, folder)

    expect(find('reykjavik')).toEqual(['a x3'])
    expect(db.first(tables.selectFrom('files').select('problems'))).toEqual({ problems: 2 })
  })
})

describe('what is added', () => {
  test.each([1, 3, 1000])(
    'is read on from where it was left, in pieces of %i lines',
    async (size) => {
      await recordSteps(capture('whole'), claudeCodeDay())
      const lines = readFileSync(capture('whole'), 'utf8').split(/(?<=\n)/u)
      rmSync(capture('whole'))
      for (let at = 0; at < lines.length; at += size) {
        appendFileSync(capture(), lines.slice(at, at + size).join(''))
        await catchUp(db, folder)
      }
      const stepwise = contents()

      const other = await openIndex(join(folder, 'other.db'), { onNotice: () => {} })
      db.close()
      db = other
      await catchUp(db, folder)
      expect(stepwise).toEqual(contents())
    },
  )

  test('in mid-line waits for the rest of the line', async () => {
    await recordSteps(capture(), chatSteps(talk))
    const text = readFileSync(capture())
    const cut = text.lastIndexOf('Reykjavik')
    writeFileSync(capture(), text.subarray(0, cut))
    await catchUp(db, folder)
    expect(find('reykjavik')).toEqual([])

    appendFileSync(capture(), text.subarray(cut))
    await catchUp(db, folder)

    expect(find('reykjavik')).toEqual(['a x3'])
    expect(db.first(tables.selectFrom('files').select('problems'))).toEqual({ problems: 0 })
  })

  test('is not looked for where size and time of a file are those that were noted', async () => {
    await recordSteps(capture(), chatSteps(talk))
    const { atime, mtime } = statSync(capture())
    utimesSync(capture(), atime, mtime)
    await catchUp(db, folder)
    const text = readFileSync(capture(), 'utf8').replaceAll('Reykjavik', 'Kopenhagn')
    writeFileSync(capture(), text)
    utimesSync(capture(), atime, mtime)

    await catchUp(db, folder)

    expect(find('reykjavik')).toEqual(['a x3'])
  })
})

describe('a rotated capture', () => {
  test('is one capture, and is read on when its files are renamed and compressed', async () => {
    const long = Array.from({ length: 30 }, (_, index) => ({
      asked: `question${index} ${'padding '.repeat(200)}`,
      answered: `answer${index}`,
    }))
    const [early, late] = [chatSteps(long.slice(0, 10)), chatSteps(long).slice(10)]
    await recordSteps(capture(), early, { maxBytes: 40_000 })
    await catchUp(db, folder)
    expect(find('answer9')).toEqual(['a x10'])

    await recordSteps(capture(), late, { maxBytes: 40_000 })
    await catchUp(db, folder)

    for (let index = 0; index < 30; index += 1) {
      expect(find(`answer${index}`)).toEqual([`a x${index + 1}`])
    }
    expect(db.all(tables.selectFrom('captures').select('name'))).toHaveLength(1)
    expect(db.all(tables.selectFrom('files').select('name')).length).toBeGreaterThan(2)
  })

  test('of which a file was compressed by hand is not read again', async () => {
    await recordSteps(capture(), chatSteps(talk))
    await catchUp(db, folder)
    const before = contents()
    writeFileSync(`${capture()}.gz`, gzipSync(readFileSync(capture())))
    rmSync(capture())

    await catchUp(db, folder)

    expect(contents()).toEqual(before)
    expect(db.all(tables.selectFrom('files').select('name'))).toEqual([{ name: 'a.jsonl.gz' }])
  })
})

describe('a capture that is not what it was', () => {
  const other = [{ asked: 'Something else', answered: 'Nothing' }]

  test('cut back, is read anew', async () => {
    await recordSteps(capture(), chatSteps(talk))
    await catchUp(db, folder)
    const text = readFileSync(capture(), 'utf8')
    truncateSync(capture(), text.indexOf('\n', text.indexOf('"exchangeId":"x3"')) + 1)

    await catchUp(db, folder)

    expect(find('paris')).toEqual(['a x1'])
    expect(find('reykjavik')).toEqual([])
  })

  test('replaced by another one, is read anew', async () => {
    await recordSteps(capture(), chatSteps(talk))
    await catchUp(db, folder)
    rmSync(capture())
    await recordSteps(capture(), chatSteps(other))

    await catchUp(db, folder)

    expect(find('paris')).toEqual([])
    expect(find('something')).toEqual(['a x1'])
  })

  test('changed in what was read, is read anew', async () => {
    await recordSteps(capture(), chatSteps(talk))
    await catchUp(db, folder)
    const text = readFileSync(capture(), 'utf8').replaceAll('Reykjavik', 'Copenhagen')
    writeFileSync(capture(), text)

    await catchUp(db, folder)

    expect(find('reykjavik')).toEqual([])
    expect(find('copenhagen')).toEqual(['a x3'])
  })

  test('renamed, is found under its new name', async () => {
    await recordSteps(capture(), chatSteps(talk))
    await catchUp(db, folder)
    renameSync(capture('a'), capture('b'))

    await catchUp(db, folder)

    expect(find('paris')).toEqual(['b x1'])
  })
})

describe('several at once', () => {
  test('read the same captures without doubling anything', async () => {
    const long = Array.from({ length: 200 }, (_, index) => ({
      asked: `question${index} ${'padding '.repeat(2000)}`,
      answered: `answer${index}`,
    }))
    const steps = long.flatMap((turn, index) => chatSteps([turn], { id: `x${index}-` }))
    await recordSteps(capture(), steps)
    const second = await openIndex(join(folder, 'index.db'), { onNotice: () => {} })

    const both = await Promise.all([catchUp(db, folder), catchUp(second, folder)])

    second.close()
    expect(both.map(({ isWhole }) => isWhole)).toEqual([true, true])
    expect(db.all(tables.selectFrom('calls').select('id'))).toHaveLength(200)
    expect(find('question17')).toEqual(['a x17-1'])
    expect(find('answer199')).toEqual(['a x199-1'])
  })

  test('told to stop, keep what was read, and go on later', async () => {
    await recordSteps(capture(), chatSteps(talk))
    const stop = new AbortController()
    stop.abort()

    expect((await catchUp(db, folder, { signal: stop.signal })).isWhole).toBe(false)
    expect((await catchUp(db, folder)).isWhole).toBe(true)

    expect(find('reykjavik')).toEqual(['a x3'])
  })
})

test('a process that is killed while it indexes loses nothing that the next one does not restore', async () => {
  const long = Array.from({ length: 400 }, (_, index) => ({
    asked: `question${index} ${'padding '.repeat(2000)}`,
    answered: `answer${index}`,
  }))
  const steps = long.flatMap((turn, index) => chatSteps([turn], { id: `x${index}-` }))
  await recordSteps(capture(), steps)
  const fixture = fileURLToPath(
    new URL('../../../fixtures/capture/index-folder.ts', import.meta.url),
  )

  let killed = 0
  for (const wanted of [1, 2, 3]) {
    const child = spawn(process.execPath, [fixture, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let seen = 0
    child.stdout.on('data', (chunk: Buffer) => {
      seen += String(chunk).split('\n').length - 1
      if (seen >= wanted) child.kill('SIGKILL')
    })
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
    if (signal === 'SIGKILL') killed += 1
  }
  await catchUp(db, folder)

  expect(killed).toBeGreaterThan(0)
  expect(db.all(tables.selectFrom('calls').select('id'))).toHaveLength(400)
  const interrupted = contents()
  db.close()
  db = await openIndex(join(folder, 'other.db'), { onNotice: () => {} })
  await catchUp(db, folder)
  expect(contents()).toEqual(interrupted)
})
