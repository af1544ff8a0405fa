import { once } from 'node:events'
import { rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'

import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { openAuditDatabase } from '../../../src/audit/audit-database.ts'
import { AuditLog } from '../../../src/audit/audit-log.ts'
import type { AuditLogOptions, AuditProblem } from '../../../src/audit/audit-log.ts'
import { AuditReader } from '../../../src/audit/audit-reader.ts'
import type { AuditRow } from '../../../src/audit/audit-row.ts'
import { verifyAudit } from '../../../src/audit/verify.ts'
import { createSystemClock } from '../../../src/base/clock.ts'
import { decision, makeAudit, outcome } from '../../support/audit.ts'
import type { AuditUnderTest } from '../../support/audit.ts'

let bench: AuditUnderTest
let problems: AuditProblem[] = []
const logs: AuditLog[] = []
beforeEach(async () => {
  bench = await makeAudit()
  problems = []
})
afterEach(async () => {
  for (const log of logs.splice(0)) await log.close()
  await bench.close()
})

function open(over: Partial<AuditLogOptions> = {}): AuditLog {
  const log = new AuditLog({
    path: bench.path,
    clock: createSystemClock(),
    pid: 7,
    user: 'alice',
    isOn: () => true,
    isDemanded: false,
    onProblem: (problem) => problems.push(problem),
    ...over,
  })
  logs.push(log)
  log.open()
  return log
}

const rows = (): AuditRow[] => [...new AuditReader(bench.audit).rows({})]
/** What is decided in one turn, each waited for. */
const decideAll = (log: AuditLog, ids: readonly string[]): Promise<unknown[]> =>
  Promise.all(ids.map(async (exchangeId) => log.decided(decision({ exchangeId }))))
const patient = { timeout: 60_000 }

/** Holds the lock that every append needs, as another process would. */
function lock(): { readonly release: () => void } {
  const raw = new Sqlite(bench.path)
  raw.exec('begin immediate')
  return {
    release: () => {
      raw.exec('commit')
      raw.close()
    },
  }
}

describe('what is decided', () => {
  test('is in the file before it may go on, several in one transaction', async () => {
    const log = open()
    const before = bench.audit.dataVersion
    const waiting = decideAll(log, ['x1', 'x2', 'x3'])

    expect(rows()).toEqual([])
    expect(await waiting).toEqual([true, true, true])

    expect(rows().map((row) => row.kind === 'decision' && row.exchangeId)).toEqual([
      'x1',
      'x2',
      'x3',
    ])
    expect(bench.audit.dataVersion).toBe(before + 1)
  })

  test('is in the file at once where it is refused, with what came before', () => {
    const log = open()
    void log.decided(decision({ exchangeId: 'x1' }))

    expect(log.decided(decision({ exchangeId: 'x2', decision: 'deny', status: 403 }))).toBe(
      undefined,
    )

    expect(rows()).toMatchObject([{ exchangeId: 'x1' }, { exchangeId: 'x2', status: 403 }])
  })

  test('is joined with how it ended', async () => {
    const log = open()
    await log.decided(decision())
    log.ended(outcome({ models: ['gpt-5'], usd: 0.25, inputTokens: 7, secrets: ['openai'] }))

    await expect.poll(rows, patient).toMatchObject([
      {
        v: 1,
        number: 1,
        kind: 'decision',
        pid: 7,
        decision: 'allow',
        outcome: {
          number: 2,
          status: 200,
          bytesDown: 20,
          models: ['gpt-5'],
          usd: 0.25,
          inputTokens: 7,
          secrets: ['openai'],
        },
      },
    ])
  })

  test('waits for nothing, and leaves nothing, before it is on', () => {
    let isOn = false
    const log = open({ isOn: () => isOn })

    expect(log.decided(decision())).toBe(undefined)
    log.ended(outcome())
    isOn = true

    expect(log.decided(decision({ exchangeId: 'x2' }))).toBeInstanceOf(Promise)
    expect(rows()).toEqual([])
  })

  test('is appended at the end, with outcomes that wait', async () => {
    const log = open()
    void log.decided(decision())
    log.ended(outcome())

    await log.close()
    log.ended(outcome({ exchangeId: 'late' }))

    expect(rows()).toMatchObject([{ outcome: { status: 200 } }])
    expect(problems).toEqual([])
  })

  test('is bounded in every text', async () => {
    const log = open()
    await log.decided(decision({ path: `/${'a'.repeat(60_000)}\ud800`, host: 'h'.repeat(9999) }))

    const [row] = rows()
    expect(row).toMatchObject({ path: expect.stringMatching(/^\/a{2046}…$/u) })
    expect(JSON.stringify(row).length).toBeLessThan(4000)
    expect(verifyAudit(bench.audit)).toMatchObject({ ok: true })
  })
})

describe('another process that has the lock', () => {
  test('is waited for, without holding up the loop', async () => {
    // Demanded, it waits for seconds: however busy the machine is, that is not over too soon.
    const log = open({ isDemanded: true })
    const { release } = lock()
    const waiting = log.decided(decision())
    await new Promise((resolve) => setImmediate(resolve))
    expect(rows()).toEqual([])

    release()

    expect(await waiting).toBe(true)
    await expect.poll(rows, patient).toHaveLength(1)
    expect(problems).toEqual([])
  })

  test('does not hold traffic for long, unless a record is demanded', async () => {
    const [log, demanding] = [open(), open({ isDemanded: true })]
    const { release } = lock()

    const [isFree, demanded] = [log.decided(decision()), demanding.decided(decision())]
    expect(await isFree).toBe(true)
    // It has waited once: what follows does not wait again.
    expect(log.decided(decision())).toBe(undefined)
    expect(rows()).toEqual([])
    release()

    expect(await demanded).toBe(true)
    await expect.poll(rows, patient).toHaveLength(3)
    expect(problems).toEqual([
      { type: 'failing', message: 'it took too long' },
      { type: 'recovered', lost: 0 },
    ])
  })

  test('refuses what cannot be recorded in time, and is told so afterwards', async () => {
    const demanding = open({ isDemanded: true })
    const { release } = lock()

    expect(await demanding.decided(decision({ exchangeId: 'x1' }))).toBe(false)
    // What comes after has a time of its own to wait.
    const second = demanding.decided(decision({ exchangeId: 'x2' }))
    release()

    expect(await second).toBe(true)
    await expect.poll(rows, patient).toMatchObject([
      { exchangeId: 'x1', decision: 'deny', reason: 'audit-unavailable', status: 503 },
      { exchangeId: 'x2', decision: 'allow' },
    ])
  })
})

describe('a file that another process has for itself', () => {
  /** Made, and open nowhere. */
  function closedFile(): string {
    const path = join(bench.home, 'other.db')
    openAuditDatabase(path, { create: true, survives: 'system' }).close()
    return path
  }

  test('is waited for at the start', async () => {
    const path = closedFile()
    const holder = `
      const { parentPort, workerData } = require('node:worker_threads')
      const Sqlite = require(workerData.sqlite)
      const raw = new Sqlite(workerData.path)
      raw.pragma('locking_mode = exclusive')
      raw.exec('begin immediate; commit')
      parentPort.postMessage('held')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
      raw.close()`
    const sqlite = createRequire(import.meta.url).resolve('better-sqlite3')
    const worker = new Worker(holder, { eval: true, workerData: { path, sqlite } })
    await once(worker, 'message')

    const log = open({ path, isDemanded: true })

    expect(await log.decided(decision())).toBe(true)
    expect(problems).toEqual([])
    await worker.terminate()
  })

  test('is waited for later too, without holding up the loop', async () => {
    const path = closedFile()
    const raw = new Sqlite(path)
    raw.pragma('locking_mode = exclusive')
    raw.exec('begin immediate; commit')
    let isOn = false
    const log = open({ path, isOn: () => isOn, isDemanded: true })
    isOn = true

    const waiting = log.decided(decision())
    await new Promise((resolve) => setImmediate(resolve))
    raw.close()

    expect(await waiting).toBe(true)
    expect(problems).toEqual([])
  })
})

describe('a file that cannot be written', () => {
  test('costs records, not traffic: told once, and again when it can be', async () => {
    await rename(bench.path, `${bench.path}.kept`)
    await writeFile(bench.path, 'no database at all', { mode: 0o600 })
    const log = open()
    await log.decided(decision({ exchangeId: 'x1' }))

    expect(log.decided(decision({ exchangeId: 'x2' }))).toBe(undefined)
    expect(problems).toEqual([
      { type: 'failing', message: expect.stringContaining('cannot be used') },
    ])
    await rename(`${bench.path}.kept`, bench.path)

    await expect.poll(rows, patient).toMatchObject([{ exchangeId: 'x1' }, { exchangeId: 'x2' }])
    expect(problems.slice(1)).toEqual([{ type: 'recovered', lost: 0 }])
  })

  test('refuses the start where a record is demanded', async () => {
    await rename(bench.path, `${bench.path}.kept`)
    await writeFile(bench.path, 'no database at all', { mode: 0o600 })

    expect(() => open({ isDemanded: true })).toThrow(
      expect.objectContaining({ code: 'ERR_AUDIT_UNUSABLE' }),
    )
  })

  test('keeps what waits within a bound; what is lost is told, in the audit too', async () => {
    const log = open({ queueBytes: 2000 })
    const { release } = lock()
    const ids = Array.from({ length: 20 }, (_each, index) => `x${index}`)
    expect(await decideAll(log, ids)).not.toContain(false)
    release()

    await expect.poll(rows, patient).not.toEqual([])
    const [told, ...kept] = rows()
    const lost = 20 - kept.length
    expect(lost).toBeGreaterThan(10)
    expect(told).toMatchObject({ kind: 'act', action: 'audit lost', details: { entries: lost } })
    expect(kept[0]).toMatchObject({ exchangeId: 'x0' })
    expect(problems).toEqual([
      { type: 'failing', message: expect.stringContaining('more waits') },
      { type: 'recovered', lost },
    ])
  })

  test('loses what nobody could write by the end, and says how much', async () => {
    const log = open()
    const { release } = lock()
    void log.decided(decision())

    await log.close()
    release()

    expect(problems.at(-1)).toEqual({ type: 'lost', count: 1 })
  })
})

test('a file that was moved away is told, and followed by a new one', async () => {
  let stepMs = 0
  const clock = createSystemClock()
  const log = open({
    clock: { now: () => clock.now(), monotonicMs: () => clock.monotonicMs() + stepMs },
  })
  await log.decided(decision({ exchangeId: 'x1' }))
  for (const end of ['', '-wal', '-shm']) {
    await rename(`${bench.path}${end}`, `${bench.path}.old${end}`)
  }
  stepMs = 5000

  await log.decided(decision({ exchangeId: 'x2' }))

  expect(problems).toEqual([{ type: 'moved' }])
  const fresh = openAuditDatabase(bench.path, { survives: 'system' })
  expect([...new AuditReader(fresh).rows({})]).toMatchObject([{ exchangeId: 'x2' }])
  fresh.close()
  await rm(`${bench.path}.old`)
})

test('the log of the database does not grow without end: it is taken in, in another thread', async () => {
  const log = open()
  const stat = (): number => Number(bench.audit.read((db) => db.pragma('page_count')))
  for (let round = 0; round < 30; round += 1) {
    await decideAll(
      log,
      Array.from({ length: 200 }, (_each, index) => `x${round}-${index}`),
    )
  }

  // Nobody but the thread takes it in: this connection and that of the log leave it alone.
  const raw = new Sqlite(bench.path, { readonly: true })
  await expect
    .poll(() => {
      const [state] = raw.pragma('wal_checkpoint(noop)') as Array<{ checkpointed: number }>
      return state?.checkpointed ?? 0
    }, patient)
    .toBeGreaterThan(0)
  raw.close()
  expect(stat()).toBeGreaterThan(100)
})
