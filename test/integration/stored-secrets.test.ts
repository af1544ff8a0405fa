/**
 * The value of a stored secret where it has no business: in what a program says, in names, in what
 * analyzers say. It is masked in every message and file, and told; what it was sent to gets it.
 */
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { BudgetKeeper } from '../../analyzers/budget-keeper.ts'
import { FileLogger } from '../../analyzers/file-logger.ts'
import { defaultAnalyzers } from '../../analyzers/index.ts'
import { forecastCall } from '../../analyzers/providers/forecast.ts'
import { AuditLog } from '../../src/audit/audit-log.ts'
import { auditPathIn } from '../../src/audit/audit-path.ts'
import { createSystemClock } from '../../src/base/clock.ts'
import { ControlServer } from '../../src/control/server.ts'
import { BudgetMeter } from '../../src/ledger/budget-meter.ts'
import { ledgerPathIn } from '../../src/ledger/ledger-path.ts'
import { Ledger } from '../../src/ledger/ledger.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import type { Analyzer } from '../../src/pipeline/analyzer.ts'
import type { Vault } from '../../src/vault/vault.ts'
import { canary } from '../support/canary.ts'
import { budgetRule } from '../support/charges.ts'
import type { ProxyUnderTest } from '../support/proxy.ts'
import { connectThrough } from '../support/proxy.ts'
import { ask, requestText } from '../support/raw-http.ts'
import { testRules } from '../support/rules.ts'
import {
  basicToken,
  connectAs,
  rootFor,
  startVaultProxy,
  startVaultUpstream,
} from '../support/vault-proxy.ts'
import type { VaultUpstream } from '../support/vault-proxy.ts'
import { agent, makeVault, secret } from '../support/vault.ts'
import type { VaultUnderTest } from '../support/vault.ts'

const host = 'api.openai.com'
const value = `${canary}-stored`
/** Far longer than one piece of a capture: it stands in blobs. */
const filler = 'some words of a long conversation, '.repeat(400)

/** Says what it saw, as careless code does. */
const careless: Analyzer = {
  name: 'careless',
  onMessage(msg) {
    if (msg.kind === 'request-started' && msg.url.includes('/careless')) {
      throw new Error(`cannot work with ${value}`)
    }
  },
}

/** Every call counts, and none is refused. */
const budget = budgetRule({ unit: 'tokens', amount: 1e9, per: 'total', scope: 'global' })

let folder = ''
let log: AuditLog
let ledger: Ledger
let control: ControlServer
/** All bytes that a viewer got. */
let viewed = ''
let vault: VaultUnderTest
let read: Vault
let upstream: VaultUpstream
let proxy: ProxyUnderTest
let token = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-stored-'))
  vault = await makeVault()
  // Bound to a host that nothing here is sent to: it is injected nowhere.
  await vault.writable.secrets.add(secret('stored', 'elsewhere.example', value))
  token = vault.writable.agents.add(agent('all', { secrets: 'all' }))
  const root = rootFor(host)
  read = vault.read()
  await read.credentials.unlock()
  upstream = await startVaultUpstream(root, host, () => {
    const message = `{"content":"it is ${value}"}`
    const usage = '{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}'
    const body = `{"model":"${value}","choices":[{"message":${message}}],"usage":${usage}}`
    return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  })
  const clock = createSystemClock()
  const unexpected = (problem: unknown): never => expect.unreachable(JSON.stringify(problem))
  log = new AuditLog({
    path: auditPathIn(folder),
    clock,
    pid: process.pid,
    user: 'test',
    isOn: () => true,
    isDemanded: true,
    onProblem: unexpected,
  })
  ledger = new Ledger({
    path: ledgerPathIn(folder),
    now: () => clock.now(),
    values: read.values,
    onUnwritable: unexpected,
  })
  const budgets = new BudgetMeter({ clock, book: ledger, forecast: forecastCall })
  proxy = await startVaultProxy({
    vault: read,
    root,
    upstreams: { [host]: upstream },
    configure: (builder) => {
      builder.withhold(read.values).addAnalyzer(careless)
      builder.audit(log).rules(testRules([budget]), { budgets })
      for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
      builder.addAnalyzer(new BudgetKeeper(budgets))
      builder.addAnalyzer(new FileLogger(join(folder, 'c.jsonl'), { include: 'all' }))
    },
  })
  await watch()
})

/** As `porthole view` attaches. */
async function watch(): Promise<void> {
  const { pid } = process
  const info = { url: proxy.running.url, startedAt: 0, command: 'test', version: '0.0.0' }
  control = await ControlServer.start({ directory: join(vault.home, 'run'), pid, info })
  proxy.running.subscribe((msg) => control.broadcast(msg))
  viewed = ''
  const viewer = net.connect(control.path)
  viewer.setEncoding('utf8').on('data', (text) => {
    viewed += String(text)
  })
  viewer.on('error', () => {})
  await once(viewer, 'data')
}

afterEach(async () => {
  await proxy.close()
  await control.close()
  ledger.close()
  await log.close()
  await upstream.close()
  await vault.close()
  await rm(folder, { recursive: true, force: true })
})

async function send(path: string, fields: readonly string[], body: string): Promise<string> {
  const socket = await connectAs(proxy, host, token)
  const answer = await ask(socket, requestText(`POST ${path}`, host, fields, body))
  socket.destroy()
  await proxy.waitFor('exchange-completed')
  return answer.body
}

/** Every message and every file, audit and ledger too, and what viewers got. */
async function everything(): Promise<string> {
  await proxy.close()
  await control.close()
  ledger.flush()
  await log.close()
  expect(viewed).toContain('"kind":"connection-closed"')
  const names = await readdir(folder)
  expect(names).toEqual(expect.arrayContaining(['audit.db', 'c.jsonl']))
  const files = await Promise.all(names.map((name) => readFile(join(folder, name), 'latin1')))
  expect(files.join('')).toContain('"kind":"decision"')
  return JSON.stringify(proxy.messages) + files.join('') + viewed
}

const withheldIn = (messages: readonly AnalysisMsg[]): string[] =>
  messages.flatMap((msg) =>
    msg.kind === 'secret-withheld' && msg.secretId === 'stored' ? [msg.where] : [],
  )

const prompt = (content: string): string =>
  JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content }] })
const json = 'Content-Type: application/json'

describe('S9 the value of a stored secret', () => {
  test.each<[string, string, readonly string[], string, readonly string[]]>([
    ['a prompt', '/v1/chat/completions', [json], prompt(`my key: ${value}`), ['request-body']],
    [
      'a long prompt, in front of it',
      '/v1/chat/completions',
      [json],
      prompt(`${value}${filler}${value}`),
      ['request-body'],
    ],
    [
      'a prompt, written in another way',
      '/v1/chat/completions',
      [json],
      prompt('KEY').replace('KEY', value.replace('y', String.raw`\u0079`)),
      ['http-parsed'],
    ],
    ['the path', `/v1/${value}/models`, [], '', ['request-started']],
    ['a header', '/v1/models', [`X-Note: ${value}`], '', ['request-started']],
    ['the name of a header', '/v1/models', [`X-${value}: 1`], '', ['request-started']],
    ['the error of an analyzer', '/careless', [], '', ['analyzer-failed']],
  ])(
    'in %s is told to nobody, and that it stood there',
    async (_where, path, fields, body, places) => {
      await send(path, fields, body)

      const told = await everything()

      expect(told).not.toContain(canary)
      expect(told.length).toBeGreaterThan(1_000)
      expect(withheldIn(proxy.messages)).toEqual(expect.arrayContaining([...places]))
      const once = proxy
        .of('secret-withheld')
        .map(({ exchangeId, where }) => `${exchangeId} ${where}`)
      expect(new Set(once).size).toBe(once.length)
    },
  )

  test('in what a model says is told to nobody, and the program gets it', async () => {
    const body = await send('/v1/chat/completions', [json], prompt('which key?'))

    expect(body).toContain(value)
    expect(await everything()).not.toContain(canary)
    expect(withheldIn(proxy.messages)).toContain('response-body')
    const charges = new Sqlite(ledgerPathIn(folder)).prepare('select * from charges').all()
    expect(charges).toMatchObject([{ tokens: 7, model: expect.stringMatching(/REDACTED|\*/u) }])
    expect(proxy.of('credential-echoed')).toEqual([])
  })

  test('in the name of a host that is asked for is told to nobody', async () => {
    const named = `${value}.example`
    await connectThrough(proxy, `${named}:443`, basicToken(token))

    expect(await everything()).not.toContain(canary.toLowerCase())
    expect(proxy.messages.some((msg) => 'host' in msg && msg.host?.includes('[REDACTED]'))).toBe(
      true,
    )
  })

  test('that was added while the proxy runs is told to nobody either', async () => {
    const later = `${canary}-later`
    await vault.writable.secrets.add(secret('later', 'other.example', later))
    await expect.poll(() => read.values.find(later).length, { timeout: 15_000 }).toBe(1)

    await send('/v1/chat/completions', [json], prompt(later))

    expect(await everything()).not.toContain(canary)
  })
})
