/**
 * What must hold after a `kill -9`, whenever it came: the capture opens and lacks at most its last
 * second, the CA is the same and works, nothing is readable by others, nothing of the dead process
 * is in the way.
 */
import { X509Certificate } from 'node:crypto'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'

import { loadExistingAuthority } from '../../ca/key-store.ts'
import { AppError } from '../../src/base/errors.ts'
import { readCapture } from '../../src/capture/reader.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import type { Ledger } from './ledger.ts'

export interface CrashFacts {
  readonly home: string
  readonly capture: string
  readonly ready: string
  readonly root: string
  readonly httpsPort: number
  readonly host: string
  readonly ledger: Ledger
  /** By round of load: epoch milliseconds. */
  readonly killedAt: Map<number, number>
  /** Of the CA, once there is one. */
  fingerprint: string | undefined
  readonly violations: string[]
  /** Harmless remains, told once each. */
  readonly leftovers: Set<string>
  /** Completed exchanges that the capture lacks, with the milliseconds until their kill. */
  readonly lost: Map<string, number>
  cutOffLines: number
  oldestLostMs: number
}

/** What a capture may lack: what had been over for longer must be in it. */
const lossMs = 1000

export async function checkAfterKill(facts: CrashFacts, round: number): Promise<void> {
  const tell = (what: string): void => void facts.violations.push(`round ${round}: ${what}`)
  await checkCapture(facts, round, tell)
  await checkAuthority(facts, tell)
  await checkModes(facts.home, facts, tell)
  await checkModes(join(facts.capture, '..'), facts, tell)
}

interface Contents {
  /** Ids of the soak, of exchanges that completed. */
  readonly completed: Set<string>
  headers: number
  cutOff: number
}

async function checkCapture(
  facts: CrashFacts,
  round: number,
  tell: (what: string) => void,
): Promise<void> {
  let contents: Contents
  try {
    contents = await readContents(facts.capture, tell)
  } catch (error) {
    // Killed before the first capture was made.
    if (facts.killedAt.size > 0 || !(error instanceof AppError)) {
      tell(`the capture does not open: ${String(error)}`)
    }
    return
  }
  const { completed, headers, cutOff } = contents
  facts.cutOffLines = cutOff
  if (cutOff > round) tell(`${cutOff} lines are cut off after ${round} kills`)
  if (headers < facts.killedAt.size) tell(`${headers} first lines for ${facts.killedAt.size} runs`)
  const killedAt = facts.killedAt.get(round)
  if (killedAt === undefined) return
  for (const client of facts.ledger.clients.values()) {
    if (client.what !== `round ${round}` || client.outcome !== 'complete') continue
    if (client.problem !== undefined) tell(`${client.id}: ${client.problem}`)
    if (completed.has(client.id)) continue
    const ageMs = killedAt - client.endedAt
    facts.lost.set(client.id, ageMs)
    facts.oldestLostMs = Math.max(facts.oldestLostMs, ageMs)
    if (ageMs > lossMs) tell(`${client.id} was over ${ageMs} ms before the kill and is not there`)
  }
}

async function readContents(path: string, tell: (what: string) => void): Promise<Contents> {
  const contents: Contents = { completed: new Set(), headers: 0, cutOff: 0 }
  const ids = new Map<string, string>()
  for await (const line of readCapture(path)) {
    if (line.type === 'message') noteMessage(line.msg, ids, contents.completed)
    else if (line.type === 'header') {
      contents.headers += 1
      // Exchange ids begin anew with each process.
      ids.clear()
    } else if (line.type === 'problem' && line.cutOff) contents.cutOff += 1
    else tell(`line ${line.lineNumber} of the capture is damaged`)
  }
  return contents
}

function noteMessage(msg: AnalysisMsg, ids: Map<string, string>, completed: Set<string>): void {
  const exchangeId = msg.exchangeId ?? ''
  if (msg.kind === 'request-started') {
    ids.set(exchangeId, /[?&]soak=(?<id>\w+)/u.exec(msg.url)?.groups?.['id'] ?? '')
  } else if (msg.kind === 'exchange-completed') completed.add(ids.get(exchangeId) ?? '')
}

async function checkAuthority(facts: CrashFacts, tell: (what: string) => void): Promise<void> {
  const folder = join(facts.home, 'ca')
  let stored
  try {
    stored = await loadExistingAuthority(folder)
  } catch (error) {
    const isMissing = error instanceof AppError && error.code === 'ERR_CA_MISSING'
    if (isMissing && facts.fingerprint === undefined) return
    tell(`the CA cannot be used: ${String(error)}`)
    return
  }
  const { authority } = stored
  facts.fingerprint ??= authority.fingerprint256
  if (facts.fingerprint !== authority.fingerprint256) tell('the CA is another one')
  const leaf = new X509Certificate(authority.issueLeaf(facts.host, new Date()).certificatePem)
  const ca = new X509Certificate(authority.certificatePem)
  if (!leaf.verify(ca.publicKey) || !leaf.checkIssued(ca)) tell('a leaf does not verify')
}

/** Folders 0700; certificates and what is made of them 0644; all else, sockets too, 0600. */
async function checkModes(
  folder: string,
  facts: CrashFacts,
  tell: (what: string) => void,
): Promise<void> {
  const names = await readdir(folder).catch(() => undefined)
  if (names === undefined) return
  const own = (await lstat(folder)).mode & 0o777
  if (own !== 0o700) tell(`${folder} has mode ${own.toString(8)}`)
  for (const name of names) {
    const path = join(folder, name)
    const stats = await lstat(path).catch(() => undefined)
    if (stats === undefined) continue
    if (stats.isDirectory()) {
      await checkModes(path, facts, tell)
      continue
    }
    const mode = stats.mode & 0o777
    const isPublic = /^(?:ca|ca\.old|bundle|added-roots)\.pem$/u.test(name)
    if (mode !== 0o600 && !(isPublic && mode === 0o644)) {
      tell(`${path} has mode ${mode.toString(8)}`)
    }
    if (/\.(?:tmp|part)$/u.test(name)) facts.leftovers.add(name)
  }
}
