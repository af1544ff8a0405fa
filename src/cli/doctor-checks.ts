/**
 * What `porthole doctor` looks at without starting anything: Node, folders and their modes, the CA,
 * proxies that run, and what leads programs past them. It reads, and changes nothing but a probe
 * file that it removes.
 */
import { open, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

import type { CaDescription } from '../../ca/authority.ts'
import { loadExistingAuthority, readCertificates } from '../../ca/key-store.ts'
import { pickTrustScripts, readTrust } from '../../ca/trust.ts'
import { AppError, describeError, errorCodeOf } from '../base/errors.ts'
import { visibleLine } from '../base/visible-text.ts'
import { makeFolders } from '../config/folders.ts'
import { answersAt, listDescriptors } from '../control/descriptor.ts'
import type { Descriptor } from '../control/descriptor.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import { formatBytes, formatPlural } from '../run/amounts.ts'
import { claudeFindings, codexFindings, environmentFindings } from '../run/bypass-findings.ts'
import type { Finding, Surroundings } from '../run/bypass-findings.ts'
import { extraRootFiles, replacedRootFiles } from '../run/environment.ts'
import { hasVault } from '../vault/vault-path.ts'
import type { CliContext } from './context.ts'
import { standingProblem } from './vault-standing.ts'

/** `check` is a stable name for scripts. */
export interface Check extends Finding {
  readonly check:
    | 'node'
    | 'data-folder'
    | 'captures'
    | 'vault'
    | 'authority'
    | 'trust'
    | 'proxies'
    | 'environment'
    | 'settings'
    | 'call'
    | 'program'
}

interface CheckPlan {
  readonly context: CliContext
  readonly home: string
  readonly allow: readonly HostPattern[]
  /** Undefined where nothing is recorded. */
  readonly capturesFolder: string | undefined
  readonly nodeVersion: string
}

/** Of a settings file; larger ones are not read. */
const maxSettingsBytes = 1024 * 1024
const dayMs = 86_400_000

/** In the order in which they are told. */
export async function* runChecks(plan: CheckPlan): AsyncGenerator<Check> {
  yield nodeCheck(plan.nodeVersion)
  yield await folderCheck(plan)
  if (plan.capturesFolder !== undefined) yield await capturesCheck(plan.capturesFolder)
  yield* vaultChecks(plan)
  yield* authorityChecks(plan)
  const descriptors = await listDescriptors(join(plan.home, 'run'))
  const answers = await Promise.all(descriptors.map(({ socket }) => answersAt(socket)))
  yield* proxyChecks(descriptors, answers)
  const surroundings: Surroundings = {
    env: plan.context.env,
    allow: plan.allow,
    proxyUrls: descriptors.map(({ url }) => url),
  }
  const found = environmentFindings(surroundings)
  if (found.length === 0) {
    yield ok('environment', 'no variable leads programs past the proxy')
  }
  for (const finding of found) yield { check: 'environment', ...finding }
  yield* rootFileChecks(plan.context)
  for (const finding of await settingsFindings(surroundings))
    yield { check: 'settings', ...finding }
}

function nodeCheck(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const readsProxy = major >= 24 || (major === 22 && minor >= 21)
  if (readsProxy) return ok('node', `Node ${version}`)
  return {
    check: 'node',
    level: 'warn',
    what: `Node ${version} does not read HTTPS_PROXY in programs that use fetch`,
    fix: 'run programs with Node 22.21, 24 or later',
  }
}

async function folderCheck({ home, context }: CheckPlan): Promise<Check> {
  const name = visibleLine(home)
  try {
    const found = await stat(home)
    if (!found.isDirectory()) {
      return fail('data-folder', `${name} is not a folder`, 'name another one with --home DIR')
    }
    const mode = found.mode & 0o777
    if (context.platform !== 'win32' && (mode & 0o022) !== 0) {
      const what = `others may write to the data folder ${name} (mode ${mode.toString(8)})`
      return fail('data-folder', what, `chmod 700 ${name}`)
    }
    return ok('data-folder', `data folder ${name}`)
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') {
      return ok('data-folder', `data folder ${name}: not there yet, made at the first start`)
    }
    return fail(
      'data-folder',
      `${name}: ${describeError(error)}`,
      'name another one with --home DIR',
    )
  }
}

async function capturesCheck(folder: string): Promise<Check> {
  const name = visibleLine(folder)
  const probe = join(folder, `.doctor-${process.pid}`)
  const next = 'make it writable, or record elsewhere with --capture FILE|DIR'
  let made: string | undefined
  try {
    made = await makeFolders(folder)
    await writeFile(probe, 'porthole', { mode: 0o600, flag: 'wx' })
    await rm(probe)
    const { bavail, bsize } = await statfs(folder)
    const free = bavail * bsize
    const what = `captures go to ${name}, ${formatBytes(free)} free`
    // One file of a capture is 256 MiB before it is compressed.
    if (free >= 1e9) return ok('captures', what)
    return {
      check: 'captures',
      level: 'warn',
      what,
      fix: 'make room: a full disk costs recordings',
    }
  } catch (error) {
    return fail('captures', `cannot record to ${name}: ${describeError(error)}`, next)
  } finally {
    // Folders that a look has made are taken away again.
    if (made !== undefined) await rm(made, { recursive: true, force: true })
  }
}

async function* vaultChecks({ home, context }: CheckPlan): AsyncGenerator<Check> {
  const problem = await standingProblem(home)
  if (problem !== undefined) {
    const fix = 'nothing, where that was meant; the next change of the vault is what counts then'
    yield { check: 'vault', level: 'warn', what: problem, fix }
  }
  if (!hasVault(home)) return
  try {
    // Loaded here, so that no other command pays for a database.
    const { openVault } = await import('../vault/open-vault.ts')
    // Nobody is asked: a passphrase is wanted at the start, and is no fault.
    const vault = await openVault({ home, env: context.env, unrestricted: 'porthole' })
    try {
      await vault.credentials.unlock()
      yield ok('vault', 'the vault opens')
    } finally {
      vault.close()
    }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const found = fail('vault', error.message, error.hint)
    // The key may be one that is asked for, or set where proxies are started.
    yield error.code === 'ERR_VAULT_KEY' ? { ...found, level: 'warn' } : found
  }
}

async function* authorityChecks(plan: CheckPlan): AsyncGenerator<Check> {
  const directory = join(plan.home, 'ca')
  let stored
  try {
    stored = await readCertificates(directory)
    const { current } = stored
    const check = validity(current, plan.allow)
    yield check
    // The key too: a proxy refuses one that others may read.
    if (check.level !== 'fail') await loadExistingAuthority(directory)
  } catch (error) {
    if (error instanceof AppError && error.code === 'ERR_CA_MISSING') {
      yield ok('authority', 'no certificate authority is kept; run needs none, start makes one')
    } else if (error instanceof AppError) {
      yield fail('authority', error.message, error.hint)
    } else yield fail('authority', describeError(error), 'make a new one: porthole ca rotate')
    return
  }
  const scripts = pickTrustScripts({ platform: plan.context.platform, store: 'all' })
  const { caCertPath: caPath } = stored
  const states = await readTrust({ scripts, caPath, env: plan.context.env })
  const trusted = states.filter(({ state }) => state === 'trusted')
  yield trusted.length > 0
    ? ok(
        'trust',
        `trusted by ${trusted.map(({ store, where }) => visibleLine(`${store} ${where}`)).join(', ')}`,
      )
    : {
        ...ok('trust', 'no store of this machine trusts it; programs under porthole run do'),
        fix: 'for others: porthole ca install, or porthole ca export',
      }
}

function validity(ca: CaDescription, allow: readonly HostPattern[]): Check {
  const days = Math.ceil((ca.notAfter.getTime() - Date.now()) / dayMs)
  const until = ca.notAfter.toISOString().slice(0, 10)
  if (days <= 0) {
    return fail('authority', `the certificate authority expired on ${until}`, 'porthole ca rotate')
  }
  const uncovered = allow.find(({ host }) => !ca.permits(host))
  if (uncovered !== undefined) {
    const what = `the certificate authority of start cannot vouch for ${uncovered.host}`
    return {
      check: 'authority',
      level: 'warn',
      what,
      fix: `porthole ca rotate --permit ${uncovered.host}`,
    }
  }
  const what = `certificate authority valid until ${until}, permits what is allowed`
  if (days > 30) return ok('authority', what)
  return { check: 'authority', level: 'warn', what, fix: 'renew it: porthole ca rotate' }
}

function* proxyChecks(
  descriptors: readonly Descriptor[],
  answers: readonly boolean[],
): Generator<Check> {
  const running = descriptors.filter((_, index) => answers[index] === true)
  const stale = descriptors.length - running.length
  for (const { url, command = '', pid } of running) {
    yield ok('proxies', `running: ${visibleLine(`${url} ${command}`.trim())} (pid ${pid})`)
  }
  if (stale > 0) {
    const what = `${formatPlural(stale, 'proxy', 'proxies')} ended without taking leave`
    yield { ...ok('proxies', what), fix: 'nothing: the next start or view clears that away' }
  }
  if (descriptors.length === 0) yield ok('proxies', 'no proxy is running')
}

/** A file that is not there is passed over in silence by most clients, and stops a few. */
async function* rootFileChecks({ env, platform }: CliContext): AsyncGenerator<Check> {
  const files = [...extraRootFiles(env, platform), ...replacedRootFiles(env, platform)]
  for (const file of new Set(files)) {
    const isThere = await stat(file).then(
      (found) => found.isFile(),
      () => false,
    )
    if (isThere) continue
    const names = Object.keys(env).filter((name) => env[name] === file)
    const what = `${visibleLine(names.join(', '))}: there is no file ${visibleLine(file)}`
    const fix = 'unset it, or name a PEM file; porthole run goes on without it'
    yield { check: 'environment', level: 'warn', what, fix }
  }
}

async function settingsFindings(surroundings: Surroundings): Promise<Finding[]> {
  const home = homedir()
  const claude = ['settings.json', 'settings.local.json']
  const files = [
    ...claude.map((name) => ({ path: join(home, '.claude', name), read: claudeFindings })),
    ...claude.map((name) => ({ path: join('.claude', name), read: claudeFindings })),
    { path: join(home, '.codex', 'config.toml'), read: codexFindings },
  ]
  const found: Finding[] = []
  for (const { path, read } of files) {
    const text = await readBounded(path)
    if (text !== undefined) found.push(...read(path, text, surroundings))
  }
  return found
}

/** Undefined for what is missing, no file, not ours to read, or too large. */
async function readBounded(path: string): Promise<string | undefined> {
  try {
    const handle = await open(path, 'r')
    try {
      const found = await handle.stat()
      if (!found.isFile() || found.size > maxSettingsBytes) return undefined
    } finally {
      await handle.close()
    }
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}

export function ok(check: Check['check'], what: string): Check {
  return { check, level: 'ok', what, fix: '' }
}

export function fail(check: Check['check'], what: string, fix: string): Check {
  return { check, level: 'fail', what: visibleLine(what), fix: visibleLine(fix) }
}
