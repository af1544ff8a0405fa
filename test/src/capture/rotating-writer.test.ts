import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { createSystemClock } from '../../../src/base/clock.ts'
import type { Clock } from '../../../src/base/clock.ts'
import type { Entry } from '../../../src/capture/batch-encoder.ts'
import type { KnownPieces } from '../../../src/capture/known-pieces.ts'
import type { CaptureOptions, CaptureProblem } from '../../../src/capture/rotating-writer.ts'
import { openCapture, RotatingWriter } from '../../../src/capture/rotating-writer.ts'

let folder = ''
let path = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-writer-'))
  path = join(folder, 'traffic.jsonl')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

function optionsWith(more: Partial<CaptureOptions> = {}): CaptureOptions {
  return { porthole: '1.2.3', clock: createSystemClock(), ...more }
}

function linesOf(file: string): string[] {
  const text = file.endsWith('.gz')
    ? gunzipSync(readFileSync(file)).toString('utf8')
    : readFileSync(file, 'utf8')
  return text.split('\n').slice(0, -1)
}

/** The lines without the `capture-opened` ones. */
function written(file: string): string[] {
  return linesOf(file).filter((line) => !line.includes('capture-opened'))
}

/** Handles whose writes fail while `disk.error` is set, after `disk.roomBytes` more bytes. */
function failingDisk(disk: { error: string | undefined; roomBytes: number }) {
  return async (file: string, flags: number, mode: number): Promise<FileHandle> => {
    const handle = await open(file, flags, mode)
    const write = handle.write.bind(handle)
    const failing = async (data: Buffer, offset: number, length: number) => {
      if (disk.error === undefined) return await write(data, offset, length)
      const fits = Math.min(length, disk.roomBytes)
      disk.roomBytes -= fits
      if (fits > 0) return await write(data, offset, fits)
      throw Object.assign(new Error(`${disk.error}: no space left`), { code: disk.error })
    }
    return new Proxy(handle, {
      get(target, name) {
        if (name === 'write') return failing
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}

/** Collects problems, and lets a test wait for one. */
function problemLog() {
  const seen: CaptureProblem[] = []
  const waiting: Array<{ type: string; resolve: (problem: CaptureProblem) => void }> = []
  return {
    seen,
    onProblem: (problem: CaptureProblem) => {
      seen.push(problem)
      for (const waiter of waiting) if (waiter.type === problem.type) waiter.resolve(problem)
    },
    next: (type: CaptureProblem['type']) =>
      new Promise<CaptureProblem>((resolve) => {
        waiting.push({ type, resolve })
      }),
  }
}

describe('opening', () => {
  test('begins with a line that says what wrote it', async () => {
    const writer = await openCapture(path, optionsWith())
    writer.write('{"n":1}\n')
    await writer.close()

    const [header = '', ...rest] = linesOf(path)
    expect(JSON.parse(header)).toEqual({
      kind: 'capture-opened',
      v: 1,
      porthole: '1.2.3',
      startedAt: expect.any(Number),
    })
    expect(rest).toEqual(['{"n":1}'])
  })

  test('creates no file before the first line unless it is opened', async () => {
    const writer = new RotatingWriter(path, optionsWith())
    expect(existsSync(path)).toBe(false)
    writer.write('{"n":1}\n')
    await writer.close()

    expect(written(path)).toEqual(['{"n":1}'])
  })

  test.each([0o000, 0o077, 0o022])(
    'keeps file and new folders private at umask %o',
    async (mask) => {
      const before = process.umask(mask)
      try {
        path = join(folder, 'a', 'b', 'traffic.jsonl')
        const writer = await openCapture(path, optionsWith({ maxBytes: 200 }))
        for (let n = 0; n < 20; n += 1) writer.write(`{"n":${n},"pad":"${'x'.repeat(60)}"}\n`)
        await writer.close()
      } finally {
        process.umask(before)
      }

      const files = readdirSync(join(folder, 'a', 'b'))
      expect(files.length).toBeGreaterThan(2)
      for (const name of files) {
        expect(statSync(join(folder, 'a', 'b', name)).mode & 0o777).toBe(0o600)
      }
      expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o700)
      expect(statSync(join(folder, 'a', 'b')).mode & 0o777).toBe(0o700)
    },
  )

  test('narrows the mode of a file that others could read', async () => {
    writeFileSync(path, '')
    chmodSync(path, 0o666)

    await (await openCapture(path, optionsWith())).close()

    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test('refuses a symbolic link and leaves its target alone', async () => {
    const target = join(folder, 'target')
    writeFileSync(target, 'precious')
    symlinkSync(target, path)

    await expect(openCapture(path, optionsWith())).rejects.toMatchObject({
      code: 'ERR_CAPTURE_UNWRITABLE',
      message: expect.stringContaining('symbolic link'),
    })
    expect(readFileSync(target, 'utf8')).toBe('precious')
  })

  test.each(['/dev/null', '/dev/full'])('refuses the device %s', async (device) => {
    await expect(openCapture(device, optionsWith())).rejects.toMatchObject({
      code: 'ERR_CAPTURE_UNWRITABLE',
    })
  })

  test('refuses a folder', async () => {
    await expect(openCapture(folder, optionsWith())).rejects.toMatchObject({
      code: 'ERR_CAPTURE_UNWRITABLE',
      details: { path: folder },
    })
  })
})

describe('appending to an existing capture', () => {
  test('starts on a new line after a line that a crash cut off', async () => {
    const first = await openCapture(path, optionsWith())
    first.write('{"n":1}\n{"n":2,"text":"abcdef"}\n')
    await first.close()
    truncateSync(path, statSync(path).size - 5)

    const second = await openCapture(path, optionsWith())
    second.write('{"n":3}\n')
    await second.close()

    const lines = linesOf(path)
    expect(lines[2]).toBe('{"n":2,"text":"abcd')
    expect(lines[3]).toContain('capture-opened')
    expect(lines[4]).toBe('{"n":3}')
  })

  test('adds no empty line after a whole one', async () => {
    await (await openCapture(path, optionsWith())).close()
    await (await openCapture(path, optionsWith())).close()

    expect(linesOf(path)).toHaveLength(2)
    expect(linesOf(path).every((line) => line.includes('capture-opened'))).toBe(true)
  })
})

describe('rotation', () => {
  test('compresses full files and keeps every line once, in order, whole', async () => {
    const writer = await openCapture(path, optionsWith({ maxBytes: 1000 }))
    const sent = Array.from({ length: 100 }, (_, n) => `{"n":${n},"pad":"${'x'.repeat(50)}"}`)
    for (const line of sent) writer.write(`${line}\n`)
    await writer.close()

    const count = readdirSync(folder).length
    const files = Array.from({ length: count - 1 }, (_, n) => `${folder}/traffic.${n + 1}.jsonl.gz`)
    expect(count).toBeGreaterThan(5)
    expect([...files, path].flatMap(written)).toEqual(sent)
    for (const file of [...files, path]) {
      expect(linesOf(file).join('\n').length + 1).toBeLessThanOrEqual(1000)
    }
    for (const [n, file] of [...files, path].entries()) {
      const header = JSON.parse(linesOf(file)[0] ?? '') as { continues?: number }
      expect(header.continues).toBe(n === 0 ? undefined : n)
    }
  })

  test('gives a line that is longer than a file a file of its own', async () => {
    const writer = await openCapture(path, optionsWith({ maxBytes: 300 }))
    const long = `{"long":"${'y'.repeat(1000)}"}`
    for (const line of ['{"n":1}', long, '{"n":2}']) writer.write(`${line}\n`)
    await writer.close()

    expect(written(join(folder, 'traffic.1.jsonl.gz'))).toEqual(['{"n":1}'])
    expect(written(join(folder, 'traffic.2.jsonl.gz'))).toEqual([long])
    expect(written(path)).toEqual(['{"n":2}'])
  })

  test('goes on counting where an earlier process stopped', async () => {
    for (const n of [1, 2, 3]) {
      const writer = await openCapture(path, optionsWith({ maxBytes: 250 }))
      writer.write(`{"n":${n},"pad":"${'x'.repeat(100)}"}\n`)
      await writer.close()
    }

    expect(readdirSync(folder).sort()).toEqual([
      'traffic.1.jsonl.gz',
      'traffic.2.jsonl.gz',
      'traffic.jsonl',
    ])
    expect(written(path)).toEqual([expect.stringContaining('"n":3')])
  })

  test('finishes a compression that a crash cut short', async () => {
    writeFileSync(join(folder, 'traffic.1.jsonl'), '{"n":1}\n')
    writeFileSync(join(folder, 'traffic.1.jsonl.gz.part'), 'half')
    const writer = await openCapture(path, optionsWith())
    await writer.close()

    expect(readdirSync(folder).sort()).toEqual(['traffic.1.jsonl.gz', 'traffic.jsonl'])
    expect(written(join(folder, 'traffic.1.jsonl.gz'))).toEqual(['{"n":1}'])
  })
})

describe('a disk that fails', () => {
  test.each(['ENOSPC', 'EIO', 'EPIPE'])(
    'holds lines back at %s and writes them all, whole, once it works again',
    async (code) => {
      const disk: { error: string | undefined; roomBytes: number } = {
        error: undefined,
        roomBytes: 0,
      }
      const log = problemLog()
      const { onProblem } = log
      const openHandle = failingDisk(disk)
      const writer = await openCapture(path, optionsWith({ openHandle, onProblem, retryMs: 2 }))
      const failing = log.next('failing')
      const recovered = log.next('recovered')

      disk.error = code
      disk.roomBytes = 12
      writer.write('{"n":1}\n')
      writer.write('{"n":2}\n')
      await failing
      // Whole lines only, also while it fails: the half line was taken back.
      expect(readFileSync(path, 'utf8').endsWith('\n')).toBe(true)
      writer.write('{"n":3}\n')
      disk.error = undefined
      await recovered
      await writer.close()

      expect(written(path)).toEqual(['{"n":1}', '{"n":2}', '{"n":3}'])
      expect(log.seen).toEqual([
        { type: 'failing', code, message: expect.stringContaining(code) },
        { type: 'recovered', count: 0 },
      ])
    },
  )

  test('refuses lines once the queue is full and says how many', async () => {
    const disk: { error: string | undefined; roomBytes: number } = {
      error: undefined,
      roomBytes: 0,
    }
    const log = problemLog()
    const { onProblem } = log
    const openHandle = failingDisk(disk)
    const options = optionsWith({ openHandle, onProblem, retryMs: 2, queueBytes: 2000 })
    const writer = await openCapture(path, options)
    const failing = log.next('failing')
    disk.error = 'ENOSPC'
    writer.write('{"n":-1}\n')
    await failing
    const recovered = log.next('recovered')

    const taken = Array.from({ length: 100 }, (_, n) => writer.write(`{"n":${n}}\n`))
    disk.error = undefined
    const problem = await recovered
    await writer.close()

    const lost = taken.filter((isTaken) => !isTaken).length
    expect(lost).toBeGreaterThan(50)
    expect(problem).toEqual({ type: 'recovered', count: lost })
    expect(written(path)).toHaveLength(101 - lost)
  })

  test('tells at closing what the disk never took', async () => {
    const disk = { error: 'ENOSPC', roomBytes: 0 }
    const log = problemLog()
    const { onProblem } = log
    const openHandle = failingDisk(disk)
    const writer = new RotatingWriter(path, optionsWith({ openHandle, onProblem }))
    writer.write('{"n":1}\n')
    writer.write('{"n":2}\n')
    await writer.close()

    expect(log.seen).toEqual([
      { type: 'failing', code: 'ENOSPC', message: expect.any(String) },
      { type: 'lost', count: 2, bytes: 16 },
    ])
  })

  test('opens by itself what could not be opened at first', async () => {
    const log = problemLog()
    const { onProblem } = log
    writeFileSync(join(folder, 'sub'), 'in the way')
    path = join(folder, 'sub', 'traffic.jsonl')
    const writer = new RotatingWriter(path, optionsWith({ onProblem, retryMs: 2 }))
    const failing = log.next('failing')
    const recovered = log.next('recovered')
    writer.write('{"n":1}\n')
    await failing
    rmSync(join(folder, 'sub'))
    await recovered
    await writer.close()

    expect(written(path)).toEqual(['{"n":1}'])
  })

  test('survives a reporter that throws', async () => {
    const openHandle = failingDisk({ error: 'EIO', roomBytes: 0 })
    const onProblem = (): never => {
      throw new Error('reporter')
    }
    const writer = new RotatingWriter(path, optionsWith({ openHandle, onProblem }))
    writer.write('{"n":1}\n')

    await expect(writer.close()).resolves.toBeUndefined()
  })
})

describe('a file that others handle', () => {
  /** A clock on which every look is a second after the one before, so that each batch checks. */
  function hastyClock(): Clock {
    let ms = 0
    return { now: () => 5, monotonicMs: () => (ms += 1000) }
  }

  async function writeAndSettle(writer: RotatingWriter, entry: Entry): Promise<void> {
    writer.write(entry)
    await writer.open()
  }

  test.each([
    ['renamed', () => renameSync(path, `${path}.old`)],
    ['deleted', () => rmSync(path)],
  ])('is made anew after it was %s', async (_, act) => {
    const writer = await openCapture(path, optionsWith({ clock: hastyClock() }))
    await writeAndSettle(writer, '{"n":1}\n')
    act()
    await writeAndSettle(writer, '{"n":2}\n')
    await writer.close()

    expect(linesOf(path)[0]).toContain('capture-opened')
    expect(written(path)).toEqual(['{"n":2}'])
  })

  test('goes on at its start after it was truncated', async () => {
    const writer = await openCapture(path, optionsWith({ clock: hastyClock() }))
    await writeAndSettle(writer, '{"n":1}\n')
    truncateSync(path, 0)
    await writeAndSettle(writer, '{"n":2}\n')
    await writer.close()

    expect(linesOf(path)).toEqual([expect.stringContaining('capture-opened'), '{"n":2}'])
  })

  test('has blobs anew that went away when it was cut back', async () => {
    const writer = await openCapture(path, optionsWith({ clock: hastyClock() }))
    const entry = {
      bytes: 10,
      *encode(known: KnownPieces) {
        if (!known.take('h', 1)) yield '{"blob":"h"}\n'
        yield '{"n":1}\n'
      },
    }
    await writeAndSettle(writer, entry)
    await writeAndSettle(writer, entry)
    expect(written(path)).toEqual(['{"blob":"h"}', '{"n":1}', '{"n":1}'])
    truncateSync(path, statSync(path).size - 30)
    await writeAndSettle(writer, entry)
    await writer.close()

    expect(written(path).slice(-2)).toEqual(['{"blob":"h"}', '{"n":1}'])
  })

  test('keeps what another process appended', async () => {
    const writer = await openCapture(path, optionsWith())
    await writeAndSettle(writer, '{"n":1}\n')
    appendFileSync(path, '{"other":1}\n')
    await writeAndSettle(writer, '{"n":2}\n')
    await writer.close()

    expect(written(path)).toEqual(['{"n":1}', '{"other":1}', '{"n":2}'])
  })
})
