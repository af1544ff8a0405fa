import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'

import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { ledgerPathIn } from '../../../src/ledger/ledger-path.ts'
import { Ledger } from '../../../src/ledger/ledger.ts'
import type { Spend } from '../../../src/ledger/spend.ts'
import { seedBytes, ValueScanner } from '../../../src/policy/value-scanner.ts'
import { canary } from '../../support/canary.ts'
import { charge } from '../../support/charges.ts'

const day = 86_400_000
const noon = 20_000 * day + day / 2

let home = ''
let path = ''
let now = noon
let problems: string[] = []
const open: Ledger[] = []

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-ledger-'))
  path = ledgerPathIn(home)
  now = noon
  problems = []
})
afterEach(async () => {
  for (const ledger of open.splice(0)) ledger.close()
  await rm(home, { recursive: true, force: true })
})

function openLedger(at = path, values?: ValueScanner): Ledger {
  const ledger = new Ledger({
    path: at,
    now: () => now,
    values,
    onUnwritable: ({ message }) => void problems.push(message),
  })
  open.push(ledger)
  return ledger
}

function today(ledger: Ledger, agent?: string): Spend {
  return ledger.spent({ rule: 'r', agent, day: Math.floor(now / day) })
}

function inAll(ledger: Ledger): Spend {
  return ledger.spent({ rule: 'r', agent: undefined, day: undefined })
}

const rowsOf = (table: string): unknown[] => {
  const raw = new Sqlite(path)
  const rows = raw.prepare(`select * from ${table}`).all()
  raw.close()
  return rows
}

describe('a charge', () => {
  test('counts at once, and is on the disk at the end of the turn', async () => {
    const ledger = openLedger()
    ledger.charge(charge({ at: now, nanoUsd: 5, tokens: 7 }))

    expect(today(ledger)).toMatchObject({ calls: 1, nanoUsd: 5, tokens: 7 })
    expect(rowsOf('charges')).toHaveLength(0)
    await new Promise((resolve) => setImmediate(resolve))
    expect(rowsOf('charges')).toMatchObject([
      { at: now, rule: 'r', agent: 'a', host: 'api.openai.com', model: 'gpt-5', exchange: 'x1' },
    ])
    expect(today(ledger)).toMatchObject({ calls: 1, nanoUsd: 5 })
  })

  test('is kept without the values of stored secrets that a name from the network holds', () => {
    const values = new ValueScanner(randomBytes(seedBytes))
    values.add('stored', canary)
    const ledger = openLedger(path, values)
    const named = { host: `${canary.toLowerCase()}.example`, model: `gpt ${canary}` }
    ledger.charge(charge({ at: now, ...named, tokens: 7 }))
    ledger.close()

    expect(JSON.stringify(rowsOf('charges'))).not.toMatch(new RegExp(canary, 'iu'))
    expect(rowsOf('charges')).toMatchObject([
      { host: expect.stringMatching(/\.example$/u), model: expect.stringMatching(/^gpt ./u) },
    ])
    expect(inAll(openLedger())).toMatchObject({ calls: 1, tokens: 7 })
  })

  test('is written when the ledger closes, and read by the next', () => {
    const ledger = openLedger()
    ledger.charge(charge({ at: now, nanoUsd: 5, unknownTokens: 1 }))
    ledger.close()

    expect(today(openLedger())).toMatchObject({ calls: 1, nanoUsd: 5, unknownTokens: 1 })
  })

  test('of another process counts at the next question, and never twice', () => {
    const [one, two] = [openLedger(), openLedger()]
    for (let round = 1; round <= 5; round += 1) {
      one.charge(charge({ at: now, agent: 'a', nanoUsd: 3 }))
      two.charge(charge({ at: now, agent: 'b', nanoUsd: 4 }))
      one.flush()
      two.flush()

      for (const ledger of [one, two]) {
        expect(today(ledger)).toMatchObject({ calls: 2 * round, nanoUsd: 7 * round })
        expect(today(ledger, 'a')).toMatchObject({ calls: round, nanoUsd: 3 * round })
      }
    }
  })
})

describe('old charges', () => {
  test('become one row a day, and every sum stays what it was', () => {
    const writer = openLedger()
    for (let index = 0; index < 40; index += 1) {
      now = noon + Math.floor(index / 10) * day
      writer.charge(charge({ at: now, nanoUsd: 1, agent: index % 2 === 0 ? 'a' : 'b' }))
    }
    writer.close()
    const ledger = openLedger()

    expect(inAll(ledger).nanoUsd).toBe(40)
    expect(today(ledger).nanoUsd).toBe(10)
    expect(rowsOf('totals')).toHaveLength(4)
    expect(rowsOf('charges')).toHaveLength(20)
  })

  test('that others fold away are still known to whoever had not read them', () => {
    const [one, two] = [openLedger(), openLedger()]
    expect(inAll(one).calls).toBe(0)
    two.charge(charge({ at: now, nanoUsd: 6 }))
    two.flush()
    now += 5 * day
    const three = openLedger()

    expect(inAll(three).nanoUsd).toBe(6)
    expect(rowsOf('charges')).toHaveLength(0)
    expect(inAll(one).nanoUsd).toBe(6)
    expect(today(one).nanoUsd).toBe(0)
  })
})

describe('a ledger', () => {
  test('is private and of its own', async () => {
    const ledger = openLedger()
    ledger.charge(charge({ at: now }))
    ledger.flush()

    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(path.endsWith('ledger.db')).toBe(true)
  })

  test.each([
    ['empty', ''],
    ['something else', 'no database, but long enough to be taken for one'.repeat(100)],
  ])('that is %s answers with an error, and is not made anew', async (_what, text) => {
    await writeFile(path, text, { mode: 0o600 })
    const ledger = openLedger()

    expect(() => today(ledger)).toThrow(expect.objectContaining({ code: 'ERR_LEDGER_UNUSABLE' }))
    expect((await stat(path)).size).toBe(text.length)
  })

  test('of a newer Porthole, or open to others, answers with an error', async () => {
    openLedger().charge(charge())
    open.pop()?.close()
    await chmod(path, 0o644)
    expect(() => today(openLedger())).toThrow(expect.objectContaining({ code: 'ERR_VAULT_MODE' }))
    await chmod(path, 0o600)
    const raw = new Sqlite(path)
    raw.pragma('user_version = 99')
    raw.close()

    expect(() => today(openLedger())).toThrow(expect.objectContaining({ code: 'ERR_LEDGER_NEWER' }))
  })

  test('that cannot be written tells it once, counts in memory, and writes what waited later', () => {
    const ledger = openLedger()
    expect(inAll(ledger).calls).toBe(0)
    const other = new Sqlite(path)
    other.exec('begin immediate')
    for (let index = 0; index < 1500; index += 1) {
      ledger.charge(charge({ at: now, nanoUsd: 2, exchange: `x${index}` }))
      if (index % 500 === 0) ledger.flush()
    }

    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(/another process is writing/u)
    expect(inAll(ledger)).toMatchObject({ calls: 1500, nanoUsd: 3000 })
    other.exec('rollback')
    other.close()
    ledger.close()
    expect(inAll(openLedger())).toMatchObject({ calls: 1500, nanoUsd: 3000 })
  })
})

test('what is charged last is written, though another process writes just then', async () => {
  const ledger = openLedger()
  expect(inAll(ledger).calls).toBe(0)
  const holder = `
    const { parentPort, workerData } = require('node:worker_threads')
    const Sqlite = require(workerData.sqlite)
    const raw = new Sqlite(workerData.path)
    raw.exec('begin immediate')
    parentPort.postMessage('held')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
    raw.close()`
  const sqlite = createRequire(import.meta.url).resolve('better-sqlite3')
  const worker = new Worker(holder, { eval: true, workerData: { path, sqlite } })
  await once(worker, 'message')
  ledger.charge(charge({ at: now, nanoUsd: 5 }))

  ledger.close()

  expect(problems).toEqual([])
  expect(inAll(openLedger())).toMatchObject({ calls: 1, nanoUsd: 5 })
  await worker.terminate()
})

test('two processes share what is spent', async () => {
  const script = `
    const { Ledger } = await import('./src/ledger/ledger.ts')
    const ledger = new Ledger({ path: ${JSON.stringify(path)}, now: () => ${now}, onUnwritable() {} })
    for (let index = 0; index < 200; index += 1) {
      ledger.charge({ at: ${now}, rule: 'r', agent: 'a', host: 'h', model: undefined, exchange: 'x' + index,
        calls: 1, tokens: 1, nanoUsd: 3, unknownTokens: 0, unknownUsd: 0 })
      await new Promise((resolve) => setImmediate(resolve))
    }
    ledger.close()`
  const run = promisify(execFile)
  const args = ['--input-type=module', '--eval', script]
  const mine = openLedger()
  mine.charge(charge({ at: now, nanoUsd: 1 }))
  await Promise.all([run(process.execPath, args), run(process.execPath, args)])

  expect(today(mine)).toMatchObject({ calls: 401, nanoUsd: 1201 })
})
