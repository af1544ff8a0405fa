/** Processes that append to the audit are killed at any instant, or append all at once. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { AuditReader } from '../../src/audit/audit-reader.ts'
import type { AuditRow } from '../../src/audit/audit-row.ts'
import { verifyAudit } from '../../src/audit/verify.ts'
import { makeAudit } from '../support/audit.ts'
import type { AuditUnderTest } from '../support/audit.ts'
import { requestText } from '../support/raw-http.ts'
import { startHttpUpstream } from '../support/upstream.ts'

const fixtures = join(import.meta.dirname, '..', 'fixtures', 'audit')
const kills = 5

let bench: AuditUnderTest
beforeEach(async () => {
  bench = await makeAudit()
})
afterEach(() => bench.close())

interface Ended {
  /** What it acknowledged; a line that was cut off was not. */
  readonly lines: string[]
  readonly signal: string | null
}

/** Runs a program, killed `afterMs` past line `from` if that is given. */
async function runProgram(
  name: string,
  args: readonly string[],
  kill?: { readonly afterMs: number; readonly from: number },
): Promise<Ended> {
  const child = spawn(process.execPath, [join(fixtures, name), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let told = ''
  const lines = (): number => told.split('\n').length - 1
  child.stdout.on('data', (chunk: Buffer) => {
    const before = lines()
    told += chunk.toString()
    if (kill === undefined || before >= kill.from || lines() < kill.from) return
    setTimeout(() => child.kill('SIGKILL'), kill.afterMs)
  })
  const [, signal] = (await once(child, 'close')) as [number | null, string | null]
  return { lines: told.split('\n').slice(1, -1), signal }
}

/** When to kill: at any time, but however slow the machine is, not before something was done once. */
function killOf(round: number, longestMs: number): { afterMs: number; from: number } {
  const afterMs = Math.floor(Math.random() * longestMs)
  return { afterMs, from: round < kills - 1 ? 1 : 3 }
}

function rows(): AuditRow[] {
  return [...new AuditReader(bench.audit).rows({})]
}

/** One request on a connection of its own; whatever becomes of it. */
function send(port: number, path: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => {}).once('close', () => resolve())
    socket.write(
      requestText(`GET http://plain.example${path}`, 'plain.example', ['Connection: close']),
    )
    socket.resume()
  })
}

test('every request that an upstream saw has its decision, whenever the proxy was killed', async () => {
  const asked = Promise.withResolvers<void>()
  const upstream = await startHttpUpstream((_request, response) => {
    asked.resolve()
    response.end('ok')
  })
  let sent = 0
  for (let round = 0; round < kills; round += 1) {
    const child = spawn(
      process.execPath,
      [join(fixtures, 'audited-proxy.ts'), bench.path, String(upstream.port)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const closed = once(child, 'close')
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const port = Number(line.toString())
    const afterMs = Math.floor(Math.random() * 300)
    // However slow the machine is: the last one lives until a request has come through.
    const isDue = round < kills - 1 ? Promise.resolve() : asked.promise
    void isDue.then(() => setTimeout(() => child.kill('SIGKILL'), afterMs))
    const client = async (): Promise<void> => {
      while (child.signalCode === null) {
        sent += 1
        await send(port, `/${sent}`)
      }
    }
    await Promise.all([client(), client(), client(), client(), closed])

    expect(verifyAudit(bench.audit)).toMatchObject({ ok: true })
  }
  await upstream.close()

  const decided = new Set(rows().map((row) => row.kind === 'decision' && row.path))
  const seen = upstream.requests.map(({ message }) => message.url ?? '')
  expect(seen.filter((path) => !decided.has(path))).toEqual([])
  expect(seen.length).toBeGreaterThan(0)
})

test('every decision that was let go on is there, whenever its process was killed', async () => {
  const done: string[] = []
  for (let round = 0; round < kills; round += 1) {
    const kill = killOf(round, 400)
    const { lines, signal } = await runProgram('appender.ts', [bench.path, `r${round}`], kill)
    done.push(...lines)

    expect(signal).toBe('SIGKILL')
    expect(verifyAudit(bench.audit)).toMatchObject({ ok: true })
    const known = new Set(rows().map((row) => row.kind === 'decision' && row.exchangeId))
    expect(done.filter((id) => !known.has(id))).toEqual([])
  }
  expect(done.length).toBeGreaterThan(0)
})

test('every act that was acknowledged is there, whenever its process was killed', async () => {
  const done: string[] = []
  for (let round = 0; round < kills; round += 1) {
    const { lines, signal } = await runProgram('actor.ts', [bench.path], killOf(round, 400))
    done.push(...lines)

    expect(signal).toBe('SIGKILL')
    expect(verifyAudit(bench.audit)).toMatchObject({ ok: true })
    const known = new Map(rows().map((row) => [row.kind === 'act' && row.target, row.outcome]))
    expect(done.filter((target) => known.get(target) === undefined)).toEqual([])
  }
  expect(done.length).toBeGreaterThan(0)
})

test('three processes that append at once make one chain, and lose nothing', async () => {
  const names = ['a', 'b', 'c']
  const each = 400

  await Promise.all(
    names.map((name) => runProgram('appender.ts', [bench.path, name, String(each)])),
  )

  expect(verifyAudit(bench.audit)).toMatchObject({ ok: true, entries: names.length * each * 2 })
  const ids = rows().map((row) => (row.kind === 'decision' ? row.exchangeId : undefined))
  for (const name of names) {
    // Each in its own order, with its outcome.
    expect(ids.filter((id) => id?.startsWith(`${name}-`))).toEqual(
      Array.from({ length: each }, (_none, index) => `${name}-${index}`),
    )
  }
  expect(rows().filter(({ outcome }) => outcome === undefined)).toEqual([])
})
