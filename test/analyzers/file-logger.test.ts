import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { fc, test as property } from '@fast-check/vitest'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { FileLogger } from '../../analyzers/file-logger.ts'
import type { FileLoggerOptions } from '../../analyzers/file-logger.ts'
import type { CaptureLine } from '../../src/capture/reader.ts'
import { readCapture } from '../../src/capture/reader.ts'
import { decodeLine } from '../../src/messages/codec.ts'
import type { AnalysisMsg, AnalysisMsgDraft } from '../../src/messages/schema.ts'
import { seedBytes, ValueScanner } from '../../src/policy/value-scanner.ts'

let folder = ''
let path = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-logger-'))
  path = join(folder, 'traffic.jsonl')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const fail = (): never => {
  throw new Error('nothing should be emitted')
}

function analyzerFailed(seq: number, error: string, at = 1000): AnalysisMsg {
  return { v: 1, seq, at, kind: 'analyzer-failed', analyzer: 'a', error }
}

function requestStarted(headers: ReadonlyArray<readonly [string, string]>): AnalysisMsg {
  const url = 'https://api.openai.com/v1/models'
  const rest = { method: 'GET', url, httpVersion: '1.1', host: 'api.openai.com', headers }
  return { v: 1, seq: 0, at: 1, kind: 'request-started', ...rest }
}

async function log(messages: readonly AnalysisMsg[], options?: FileLoggerOptions): Promise<void> {
  const logger = new FileLogger(path, options)
  for (const msg of messages) logger.onMessage(msg, fail)
  await logger.close()
}

/** The messages in the file; a line that does not decode fails the test. */
function recorded(): AnalysisMsg[] {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return lines.flatMap((line) => {
    const decoded = decodeLine(line)
    if (!decoded.ok) throw new Error(`${decoded.problem}: ${line}`)
    return decoded.type === 'message' ? [decoded.msg] : []
  })
}

describe('what is written', () => {
  const contents: AnalysisMsg[] = [
    { v: 1, seq: 0, at: 1, kind: 'request-body', text: 'a', offset: 0 },
    { v: 1, seq: 1, at: 1, kind: 'http-parsed', direction: 'request', bytes: 1, truncated: false },
    { v: 1, seq: 2, at: 1, kind: 'sse-event', index: 0, data: 'x', sinceRequestMs: 1 },
    { v: 1, seq: 3, at: 1, kind: 'request-ended', bytes: 1 },
  ]

  test('leaves out what can be made anew', async () => {
    await log(contents)

    expect(recorded().map((msg) => msg.seq)).toEqual([0, 3])
  })

  test('is everything when asked for', async () => {
    await log(contents, { include: 'all' })

    expect(recorded()).toEqual(contents)
  })

  test('opens with the version of the package', async () => {
    await log(contents)

    const { version } = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as { version: string }
    const [first = ''] = readFileSync(path, 'utf8').split('\n')
    expect(JSON.parse(first)).toMatchObject({ kind: 'capture-opened', v: 1, porthole: version })
  })

  property.prop([fc.array(fc.string({ unit: 'binary', maxLength: 30 }), { minLength: 1 })])(
    'is one line for one message, whatever the text in it',
    async (texts) => {
      rmSync(path, { force: true })
      await log(texts.map((text, seq) => analyzerFailed(seq, text)))

      expect(recorded().map((msg) => 'error' in msg && msg.error)).toEqual(texts)
      expect(readFileSync(path, 'utf8')).not.toMatch(/[\u2028\u2029]/u)
    },
  )

  test('holds no credential, even where a message came unredacted', async () => {
    const secret = 'canary-3f1c'
    await log([
      requestStarted([
        ['Authorization', `Bearer ${secret}`],
        ['x-API-key', secret],
        ['accept', '*/*'],
      ]),
      {
        v: 1,
        seq: 1,
        at: 1,
        kind: 'response-ended',
        bytes: 0,
        durationMs: 1,
        trailers: [['Set-Cookie', `s=${secret}`]],
      },
    ])

    expect(readFileSync(path, 'utf8')).not.toContain(secret)
    expect(recorded()[0]).toMatchObject({
      headers: [
        ['Authorization', 'Bearer [REDACTED]'],
        ['x-API-key', '[REDACTED]'],
        ['accept', '*/*'],
      ],
    })
  })
})

test('fails early, with the path, where the file cannot be made', async () => {
  const logger = new FileLogger(folder)

  await expect(logger.open()).rejects.toMatchObject({
    code: 'ERR_CAPTURE_UNWRITABLE',
    details: { path: folder },
  })
  expect(logger.path).toBe(folder)
  await logger.close()
})

test('ignores what comes after it was closed', async () => {
  const logger = new FileLogger(path)
  logger.onMessage(analyzerFailed(0, 'before'), fail)
  await logger.close()
  logger.onMessage(analyzerFailed(1, 'after'), fail)
  await logger.close()

  expect(recorded().map((msg) => msg.seq)).toEqual([0])
})

test('counts a message that cannot be encoded as lost', async () => {
  let deep: unknown[] = []
  for (let depth = 0; depth < 200_000; depth += 1) deep = [deep]
  const told: AnalysisMsgDraft[] = []
  const logger = new FileLogger(path, { include: 'all' })
  const parsed = {
    kind: 'http-parsed',
    direction: 'response',
    bytes: 9,
    truncated: false,
    json: deep,
  }

  logger.onMessage({ v: 1, seq: 4, at: 1, ...parsed } as unknown as AnalysisMsg, (msg) =>
    told.push(msg),
  )
  logger.onMessage(analyzerFailed(5, 'next'), fail)
  await logger.close()

  expect(told).toEqual([{ kind: 'messages-dropped', where: 'capture', count: 1, bytes: 0 }])
  expect(recorded()).toMatchObject([
    { seq: 4, kind: 'messages-dropped', count: 1 },
    { seq: 5, kind: 'analyzer-failed' },
  ])
})

test('leaves whole lines, but for the last, when its process is killed', async () => {
  const module = JSON.stringify(new URL('../../analyzers/file-logger.ts', import.meta.url).href)
  const program = `
    const { FileLogger } = await import(${module})
    const { statSync } = await import('node:fs')
    const logger = new FileLogger(${JSON.stringify(path)}, { porthole: '1' })
    let seq = 0
    setInterval(() => {
      for (let n = 0; n < 500; n += 1, seq += 1) {
        const error = 'x'.repeat(seq % 300)
        logger.onMessage({ v: 1, seq, at: 1, kind: 'analyzer-failed', analyzer: 'a', error }, () => {})
      }
      const stat = statSync(logger.path, { throwIfNoEntry: false })
      if (stat !== undefined && stat.size > 500_000) process.stdout.write('ready')
    }, 1)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program])
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'close')

  await log([analyzerFailed(1_000_000, 'after the crash')])

  const lines: CaptureLine[] = []
  for await (const line of readCapture(path)) lines.push(line)
  const messages = lines.flatMap((line) => (line.type === 'message' ? [line.msg.seq] : []))
  const problems = lines.filter((line) => line.type === 'problem')
  expect(messages.length).toBeGreaterThan(500)
  expect(messages).toEqual([...Array(messages.length - 1).keys(), 1_000_000])
  expect(problems.length).toBeLessThanOrEqual(1)
  expect(problems.every((problem) => problem.cutOff)).toBe(true)
})

describe('while the disk fails', () => {
  /** A logger whose folder cannot be made until `unblock` is called, with room for few lines. */
  function blockedLogger() {
    const obstacle = join(folder, 'sub')
    writeFileSync(obstacle, '')
    path = join(obstacle, 'traffic.jsonl')
    const failing = Promise.withResolvers<void>()
    const recovered = Promise.withResolvers<void>()
    const logger = new FileLogger(path, {
      queueBytes: 1000,
      retryMs: 2,
      onProblem: (problem) => {
        if (problem.type === 'failing') failing.resolve()
        if (problem.type === 'recovered') recovered.resolve()
      },
    })
    const unblock = async () => {
      await failing.promise
      rmSync(obstacle)
      mkdirSync(obstacle)
      await recovered.promise
    }
    return { logger, unblock }
  }

  test('drops whole messages, tells the chain, and notes the loss in its place', async () => {
    const { logger, unblock } = blockedLogger()
    const told: AnalysisMsgDraft[] = []
    const show = (seq: number, at: number): void =>
      logger.onMessage(analyzerFailed(seq, 'x'.repeat(40), at), (msg) => told.push(msg))

    for (let seq = 0; seq < 50; seq += 1) show(seq, 1000 + seq)
    show(50, 5000)
    await unblock()
    show(51, 6000)
    await logger.close()

    const messages = recorded()
    const note = messages.find((msg) => msg.kind === 'messages-dropped')
    const lost = 52 - (messages.length - 1)
    expect(lost).toBeGreaterThan(30)
    expect(note).toMatchObject({ by: 'file-logger', where: 'capture', count: lost })
    expect(messages.map((msg) => msg.seq)).toEqual([...Array(51 - lost).keys(), 51 - lost, 51])
    // The chain hears of the first loss at once, and of the rest together.
    expect(told.map((msg) => 'count' in msg && msg.count)).toEqual([1, lost - 1])
    const bytes = told.map((msg) => ('bytes' in msg ? msg.bytes : 0))
    expect(note).toMatchObject({ bytes: bytes.reduce<number>((sum, part) => sum + (part ?? 0), 0) })
  })

  test('notes the loss at closing when no message follows', async () => {
    const { logger, unblock } = blockedLogger()
    for (let seq = 0; seq < 50; seq += 1) logger.onMessage(analyzerFailed(seq, 'x'), () => {})
    await unblock()
    await logger.close()

    const messages = recorded()
    expect(messages.at(-1)).toMatchObject({
      kind: 'messages-dropped',
      count: 50 - (messages.length - 1),
    })
  })
})

test('a value of a stored secret that came another way is masked in its line, and told', async () => {
  const value = 'sk-CANARY-7f3a'
  const values = new ValueScanner(randomBytes(seedBytes))
  values.add('one', value)
  const emitted: AnalysisMsgDraft[] = []
  const problems: string[] = []
  const logger = new FileLogger(path, {
    values,
    onProblem: ({ type }) => problems.push(type),
  })
  await logger.open()

  logger.onMessage(analyzerFailed(0, `no ${value}`), fail)
  await expect.poll(() => problems, { timeout: 15_000 }).toEqual(['withheld'])
  logger.onMessage(analyzerFailed(1, 'words'), (draft) => emitted.push(draft))
  await logger.close()

  expect(readFileSync(path, 'utf8')).not.toContain(value)
  expect(recorded()).toMatchObject([{ error: 'no [REDACTED]****' }, { error: 'words' }])
  expect(emitted).toEqual([
    { kind: 'secret-withheld', where: 'capture', secretId: 'one', count: 1 },
  ])
})
