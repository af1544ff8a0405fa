import { once } from 'node:events'
import {
  createWriteStream,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { createSystemClock } from '../../../src/base/clock.ts'
import type { CaptureLine } from '../../../src/capture/reader.ts'
import { readCapture } from '../../../src/capture/reader.ts'
import { openCapture } from '../../../src/capture/rotating-writer.ts'

async function collect(lines: AsyncIterable<CaptureLine>): Promise<CaptureLine[]> {
  const collected: CaptureLine[] = []
  for await (const line of lines) collected.push(line)
  return collected
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

let folder = ''
let path = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-reader-'))
  path = join(folder, 'traffic.jsonl')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const header = '{"kind":"capture-opened","v":1,"porthole":"1.2.3","startedAt":5}'

function message(seq: number, where = 'analysis'): string {
  return JSON.stringify({ v: 1, seq, at: 10, kind: 'messages-dropped', where, count: 1, bytes: 2 })
}

async function readAll(file: string, maxLineBytes?: number): Promise<CaptureLine[]> {
  return await collect(readCapture(file, { maxLineBytes }))
}

/** One word for each line: what it is, and its number. */
function outline(lines: readonly CaptureLine[]): string[] {
  return lines.map((line) => {
    if (line.type === 'message') return `message ${line.msg.seq}`
    if (line.type !== 'problem') return line.type
    return `problem in ${line.lineNumber}${line.cutOff ? ', cut off' : ''}`
  })
}

describe('a single file', () => {
  test('gives its lines in order, as they stand', async () => {
    writeFileSync(path, `${header}\n${message(0)}\n\n${message(1)}\n`)

    const lines = await readAll(path)

    expect(outline(lines)).toEqual(['header', 'message 0', 'message 1'])
    expect(lines[2]).toMatchObject({ raw: message(1), lineNumber: 4, path })
  })

  test('is read when compressed, whatever its name', async () => {
    writeFileSync(path, gzipSync(`${header}\n${message(0)}\n`))

    expect(outline(await readAll(path))).toEqual(['header', 'message 0'])
  })

  test('is read when it is empty', async () => {
    writeFileSync(path, '')

    expect(await readAll(path)).toEqual([])
  })

  test('keeps a kind that it does not know', async () => {
    const unknown = '{"kind":"from-the-future","hash":"abc","text":"x"}'
    writeFileSync(path, `${unknown}\n${message(0)}\n`)

    const lines = await readAll(path)

    expect(lines[0]).toMatchObject({ type: 'unknown', raw: unknown, value: { hash: 'abc' } })
    expect(lines).toHaveLength(2)
  })

  test('gives a last line that lacks only its newline', async () => {
    writeFileSync(path, `${header}\n${message(0)}`)

    expect(outline(await readAll(path))).toEqual(['header', 'message 0'])
  })

  test('reports a last line that was cut off', async () => {
    writeFileSync(path, `${header}\n${message(0)}\n${message(1).slice(0, 20)}`)

    expect(outline(await readAll(path))).toEqual(['header', 'message 0', 'problem in 3, cut off'])
  })

  test('takes a torn line as cut off when a new process went on below it', async () => {
    writeFileSync(path, `${header}\n${message(0).slice(0, 20)}\n${header}\n${message(1)}\n`)

    expect(outline(await readAll(path))).toEqual([
      'header',
      'problem in 2, cut off',
      'header',
      'message 1',
    ])
  })

  test.each([
    ['text that is not JSON', Buffer.from('{"kind":')],
    ['JSON that is no message', Buffer.from('[1]')],
    ['a message that lacks a field', Buffer.from('{"kind":"request-ended","v":1,"seq":1,"at":1}')],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22])],
    ['another format version', Buffer.from('{"kind":"new-kind","v":2}')],
    [
      'JSON that is nested too deeply to check',
      Buffer.from(
        `${message(5).slice(0, -1)},"kind":"http-parsed","json":${'['.repeat(1e5)}${']'.repeat(1e5)}}`,
      ),
    ],
  ])('reports %s in the middle, with its number, and goes on', async (_, damaged) => {
    const parts = [header, '\n', message(0), '\n', damaged, '\n', message(1), '\n']
    writeFileSync(path, Buffer.concat(parts.map((part) => Buffer.from(part))))

    expect(outline(await readAll(path))).toEqual([
      'header',
      'message 0',
      'problem in 3',
      'message 1',
    ])
  })

  test('reports a line that is too long and goes on', async () => {
    writeFileSync(path, `${message(0)}\n${message(1, 'x'.repeat(1000))}\n${message(2)}\n`)

    expect(outline(await readAll(path, 500))).toEqual(['message 0', 'problem in 2', 'message 2'])
  })

  test('reads a compressed file that was cut off up to there', async () => {
    const whole = gzipSync(Array.from({ length: 5000 }, (_, n) => `${message(n)}\n`).join(''))
    writeFileSync(path, whole.subarray(0, whole.length / 2))

    const lines = await readAll(path)

    expect(lines.length).toBeGreaterThan(100)
    expect(lines.slice(0, -2).every((line) => line.type === 'message')).toBe(true)
    expect(lines.at(-1)).toMatchObject({ type: 'problem', cutOff: true })
  })

  test('reports a compressed file that is damaged', async () => {
    const whole = gzipSync(`${message(0)}\n`)
    whole[14] = (whole[14] ?? 0) ^ 0xff
    writeFileSync(path, whole)

    expect((await readAll(path)).at(-1)).toMatchObject({ type: 'problem', cutOff: false })
  })
})

describe('what cannot be opened', () => {
  test('is named when the file is missing', async () => {
    await expect(readAll(path)).rejects.toMatchObject({
      code: 'ERR_CAPTURE_UNREADABLE',
      details: { path, problem: 'no such file' },
    })
  })

  test('is named when it is a folder', async () => {
    await expect(readAll(folder)).rejects.toMatchObject({
      code: 'ERR_CAPTURE_UNREADABLE',
      details: { path: folder, problem: 'it is a folder, not a file' },
    })
  })
})

describe('a rotated capture', () => {
  async function writeRotated(count: number): Promise<void> {
    const clock = createSystemClock()
    const writer = await openCapture(path, { porthole: '1.2.3', clock, maxBytes: 600 })
    for (let seq = 0; seq < count; seq += 1) writer.write(`${message(seq)}\n`)
    await writer.close()
  }

  function seqs(lines: readonly CaptureLine[]): number[] {
    return lines.flatMap((line) => (line.type === 'message' ? [line.msg.seq] : []))
  }

  test('is read as one, oldest file first', async () => {
    await writeRotated(100)

    const lines = await readAll(path)

    expect(seqs(lines)).toEqual(Array.from({ length: 100 }, (_, seq) => seq))
    expect(lines.filter((line) => line.type === 'header').length).toBeGreaterThan(10)
    expect(lines.filter((line) => line.type === 'problem')).toEqual([])
    expect(lines[0]?.path).toBe(join(folder, 'traffic.1.jsonl.gz'))
    expect(lines.at(-1)?.path).toBe(path)
  })

  test('is read as one when its last file was compressed by hand', async () => {
    await writeRotated(20)
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)))

    expect(seqs(await readAll(`${path}.gz`))).toEqual([...Array(20).keys()])
  })

  test('tells of an earlier file that is gone, and of one that is cut off', async () => {
    await writeRotated(100)
    rmSync(join(folder, 'traffic.1.jsonl.gz'))
    truncateSync(join(folder, 'traffic.2.jsonl.gz'), 120)

    const problems = (await readAll(path)).filter((line) => line.type === 'problem')

    expect(problems[0]).toMatchObject({
      lineNumber: 0,
      problem: expect.stringContaining('1.jsonl'),
    })
    expect(problems.at(-1)).toMatchObject({
      path: join(folder, 'traffic.2.jsonl.gz'),
      cutOff: true,
    })
    expect(problems.every((problem) => problem.cutOff)).toBe(true)
  })

  test('gives one file alone where one of the earlier ones is named', async () => {
    await writeRotated(100)

    const lines = await readAll(join(folder, 'traffic.2.jsonl.gz'))

    expect(new Set(lines.map((line) => line.path)).size).toBe(1)
    expect(seqs(lines).length).toBeGreaterThan(2)
  })

  test('does not take a file with a likely name for an earlier one', async () => {
    writeFileSync(path, `${header}\n${message(0)}\n`)
    writeFileSync(join(folder, 'traffic.1.jsonl'), `${message(7)}\n`)

    expect(seqs(await readAll(path))).toEqual([0])
  })

  test('is read whole when it is rotated while it is being read', async () => {
    writeFileSync(path, `${header}\n${message(0)}\n${message(1)}\n`)
    const lines = readCapture(path)
    const first = await lines.next()
    renameSync(path, join(folder, 'traffic.1.jsonl'))
    writeFileSync(path, `${header.replace('}', ',"continues":1}')}\n${message(2)}\n`)

    const rest = await collect(lines)

    expect(first.value).toMatchObject({ type: 'header' })
    expect(seqs(rest)).toEqual([0, 1])
  })
})

test('reads 100 MB without holding it', async () => {
  const file = createWriteStream(path)
  const line = `${message(1, 'y'.repeat(2000))}\n`
  const lineCount = Math.ceil(100e6 / line.length)
  for (let n = 0; n < lineCount; n += 500) {
    if (!file.write(line.repeat(Math.min(500, lineCount - n)))) await once(file, 'drain')
  }
  file.end()
  await once(file, 'close')
  collectGarbage()
  const before = process.memoryUsage()

  let count = 0
  let highest = 0
  for await (const read of readCapture(path)) {
    if (read.type === 'message') count += 1
    if (count % 10_000 !== 0) continue
    collectGarbage()
    const now = process.memoryUsage()
    highest = Math.max(highest, now.heapUsed - before.heapUsed + now.external - before.external)
  }

  expect(count).toBe(lineCount)
  expect(highest).toBeLessThan(20e6)
})
