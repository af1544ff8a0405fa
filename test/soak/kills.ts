/**
 * `kill -9` at random instants: a proxy of the built command line, always with the same home, capture
 * and ready file, is killed while it starts or under load, and started again. What it leaves must be
 * readable, private, and in nobody's way.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import tls from 'node:tls'

import type { ReadyFile } from '../support/cli.ts'
import { startCli } from '../support/cli.ts'
import type { Cli } from '../support/cli.ts'
import { createRandom } from '../support/fault-injector.ts'
import { createUpstreamRoot } from '../support/upstream.ts'
import { checkAfterKill } from './crash-checks.ts'
import type { CrashFacts } from './crash-checks.ts'
import { Ledger } from './ledger.ts'
import { exchange, openLink } from './link.ts'
import { startOrigins } from './origins.ts'

export interface KillsReport {
  readonly seed: number
  readonly kills: number
  readonly killedWhileStarting: number
  readonly exchanges: number
  /** Lines that the kills cut off. */
  readonly cutOffLines: number
  /** Exchanges that their clients saw to the end and the capture did not. */
  readonly lost: number
  /** The oldest of them was over so long before its kill, in milliseconds. */
  readonly oldestLostMs: number
  readonly leftovers: readonly string[]
  readonly violations: readonly string[]
}

export interface KillsPlan {
  readonly kills: number
  readonly seed: number
  readonly tell?: (line: string) => void
}

const host = 'api.openai.com'
/** A kill comes at most so long after the start of the process, or of the load, in milliseconds. */
const startingMs = 900
const loadMs = 1200
const readyTimeoutMs = 30_000
const clients = 6

export async function runKills({ kills, seed, tell = () => {} }: KillsPlan): Promise<KillsReport> {
  const random = createRandom(seed)
  const directory = mkdtempSync(join(tmpdir(), 'porthole-kills-'))
  const ledger = new Ledger()
  const root = createUpstreamRoot(host)
  const origins = await startOrigins(root, [host], ledger)
  const place = {
    home: join(directory, 'home'),
    capture: join(directory, 'capture', 'traffic.jsonl'),
    ready: join(directory, 'ready.json'),
    root: join(directory, 'root.pem'),
    httpsPort: origins.httpsPort,
  }
  writeFileSync(place.root, root.certificatePem)
  const facts: CrashFacts = {
    ...place,
    host,
    ledger,
    killedAt: new Map(),
    fingerprint: undefined,
    violations: [],
    leftovers: new Set(),
    lost: new Map(),
    cutOffLines: 0,
    oldestLostMs: 0,
  }
  let killedWhileStarting = 0
  try {
    for (let round = 1; round <= kills; round += 1) {
      const draw = random()
      const isStarting = draw < 0.4
      if (isStarting) killedWhileStarting += 1
      if (draw < 0.2) await killFirstStart(directory, facts, random() * startingMs, round)
      else if (isStarting) await killWhileStarting(place, random() * startingMs)
      else await killUnderLoad(place, facts, random() * loadMs, round)
      await checkAfterKill(facts, round)
      tell(
        `kill ${round} ${isStarting ? 'while it started' : 'under load'}: ${facts.violations.length} violations`,
      )
    }
    // After the last kill too, a start must work.
    await killUnderLoad(place, facts, 200, kills + 1)
    await checkAfterKill(facts, kills + 1)
  } finally {
    await origins.close()
    rmSync(directory, { recursive: true, force: true })
  }
  return {
    seed,
    kills,
    killedWhileStarting,
    exchanges: ledger.clients.size,
    cutOffLines: facts.cutOffLines,
    lost: facts.lost.size,
    oldestLostMs: facts.oldestLostMs,
    leftovers: [...facts.leftovers],
    violations: facts.violations,
  }
}

type Place = Pick<CrashFacts, 'home' | 'capture' | 'ready' | 'root' | 'httpsPort'>

function start({ home, capture, ready, root, httpsPort }: Place): Cli {
  const to = `${host}:443=127.0.0.1:${httpsPort}`
  const files = ['--capture', capture, '--ready-file', ready, '--upstream-ca', root]
  const listen = ['--listen', '127.0.0.1:0', '--allow', host, '--connect-to', to]
  return startCli(['start', '--no-viewer', ...listen, ...files], { home })
}

async function killWhileStarting(place: Place, afterMs: number): Promise<void> {
  await using proxy = start(place)
  await delay(afterMs)
  proxy.kill('SIGKILL')
  await proxy.ended
}

/** A home of its own: the kill may come while the CA is made. A start must work there too. */
async function killFirstStart(
  directory: string,
  facts: CrashFacts,
  afterMs: number,
  round: number,
): Promise<void> {
  const fresh: CrashFacts = {
    ...facts,
    home: join(directory, `home-${round}`),
    capture: join(directory, `capture-${round}`, 'traffic.jsonl'),
    killedAt: new Map(),
    fingerprint: undefined,
  }
  await killWhileStarting(fresh, afterMs)
  await checkAfterKill(fresh, round)
  await killUnderLoad(fresh, fresh, 50, round)
  await checkAfterKill(fresh, round)
}

/** Load until the kill; what clients saw, and when, is in the ledger. */
async function killUnderLoad(
  place: Place,
  facts: CrashFacts,
  afterMs: number,
  round: number,
): Promise<void> {
  await using proxy = start(place)
  const ready = await waitForOwnReadyFile(proxy, place.ready)
  if (ready === undefined) {
    facts.violations.push(`round ${round}: no start after a kill: ${proxy.text('err')}`)
    return
  }
  const caPem = await readFile(ready.caCert, 'utf8')
  const context = tls.createSecureContext({ ca: caPem })
  const over = { isOver: false }
  const workers = Array.from({ length: clients }, (_, index) =>
    work({
      facts,
      round: `round ${round}`,
      port: ready.port,
      context,
      over,
      random: createRandom(round * 97 + index),
    }),
  )
  // The first answer proves that the new process works, with the old CA.
  await Promise.race([Promise.any(workers.map(({ first }) => first)), delay(readyTimeoutMs)])
  await delay(afterMs)
  facts.killedAt.set(round, Date.now())
  proxy.kill('SIGKILL')
  over.isOver = true
  await proxy.ended
  await Promise.all(workers.map(({ ended }) => ended))
  const { clients: entries } = facts.ledger
  const ofRound = [...entries.values()].filter(({ what }) => what === `round ${round}`)
  if (!ofRound.some(({ outcome }) => outcome === 'complete')) {
    facts.violations.push(`round ${round}: nothing went through: ${proxy.text('err')}`)
  }
}

interface Work {
  readonly facts: CrashFacts
  /** Noted with each exchange. */
  readonly round: string
  readonly port: number
  readonly context: tls.SecureContext
  readonly over: { isOver: boolean }
  readonly random: () => number
}

function work(job: Work): { first: Promise<void>; ended: Promise<void> } {
  const first = Promise.withResolvers<void>()
  return { first: first.promise, ended: exchangesUntilOver(job, first.resolve) }
}

async function exchangesUntilOver(job: Work, onFirst: () => void): Promise<void> {
  const { facts, round, port, context, over, random } = job
  while (!over.isOver) {
    const route = { proxyPort: port, authority: `${host}:443`, secure: { host, context } }
    await delay(5)
    const socket = await openLink(route, undefined)
    if (socket === undefined) continue
    while (!over.isOver) {
      const [answer, gapMs] = random() < 0.5 ? ['answer', 0] : ['events:8', 5]
      const request = random() < 0.1 ? 'file:200000' : 'call'
      const entry = facts.ledger.open('exchange', round, { request, answer })
      const wish = `id=${entry.id}&request=${request}&answer=${answer}&gapMs=${gapMs}`
      const head = [
        `POST /v1/chat/completions?soak=${entry.id} HTTP/1.1`,
        `Host: ${host}`,
        'Content-Type: application/json',
        'Transfer-Encoding: chunked',
        `X-Soak: ${wish}`,
      ].join('\r\n')
      const goesOn = await exchange(socket, {
        entry,
        head: `${head}\r\n\r\n`,
        isChunked: true,
        sliceBytes: 50_000,
        readBytesPerSecond: undefined,
        leave: undefined,
      })
      if (!goesOn) break
      onFirst()
    }
    socket.destroy()
  }
}

/** The file of an earlier process may still be there: only the one with our process id counts. */
async function waitForOwnReadyFile(proxy: Cli, path: string): Promise<ReadyFile | undefined> {
  const giveUp = new AbortController()
  const timer = setTimeout(() => giveUp.abort(), readyTimeoutMs)
  void proxy.ended.then(() => giveUp.abort())
  while (!giveUp.signal.aborted) {
    const text = await readFile(path, 'utf8').catch(() => undefined)
    const ready = text === undefined ? undefined : (JSON.parse(text) as ReadyFile)
    if (ready?.pid === proxy.pid) {
      clearTimeout(timer)
      return ready
    }
    await delay(20)
  }
  clearTimeout(timer)
  return undefined
}
