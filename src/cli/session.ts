/**
 * One proxy with all that a command puts around it: analyzers, capture, control socket, messages
 * on stdout, the summary. `start`, `run` and `demo` differ only in what they do while it runs.
 */
import { join, resolve } from 'node:path'

import { CredentialInjector } from '../../analyzers/credential-injector.ts'
import { FileLogger } from '../../analyzers/file-logger.ts'
import { defaultAnalyzers } from '../../analyzers/index.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { AppError, describeError } from '../base/errors.ts'
import { PortholeBuilder } from '../builder.ts'
import { resolveCapturePath } from '../capture/capture-path.ts'
import type { CaptureProblem } from '../capture/rotating-writer.ts'
import type { Settings } from '../config/settings.ts'
import { ControlServer } from '../control/server.ts'
import { encodeLine } from '../messages/codec.ts'
import type { AnalysisMsg } from '../messages/schema.ts'
import type { Analyzer } from '../pipeline/analyzer.ts'
import { maskValuesIn } from '../policy/value-mask.ts'
import type { ValueScanner } from '../policy/value-scanner.ts'
import type { RunningPorthole } from '../porthole.ts'
import type { RunningRoute } from '../proxy/running-routes.ts'
import { formatSummary } from '../run/summary-text.ts'
import { createSummary } from '../run/summary.ts'
import type { BoundedOutput } from './bounded-output.ts'
import { createBoundedOutput } from './bounded-output.ts'
import { pruneAtStart } from './captures-retention.ts'
import type { CliContext } from './context.ts'
import { createPooledOutput } from './pooled-output.ts'
import type { ReadyState, RouteState } from './ready-file.ts'
import { removeStaleReadyFile, writeReadyFile } from './ready-file.ts'
import { currentUser, openSessionAudit } from './session-audit.ts'
import { readPrices, readRoots } from './session-files.ts'
import { openSessionPolicy } from './session-policy.ts'
import type { SessionPolicy } from './session-policy.ts'
import { tokenReplacer } from './session-tokens.ts'
import { hideSecretVariables, valuesOf } from './session-values.ts'
import { runAgent } from './session-vault.ts'
import type { RunVault, SessionVault } from './session-vault.ts'
import { createWithheldNotice } from './withheld-notice.ts'

export interface SessionPlan {
  readonly settings: Settings
  readonly home: string
  /** The configuration file, which is followed for its rules; without it there are no rules. */
  readonly configPath?: string
  /** What the proxy runs for, shown to viewers. */
  readonly command: string
  /** The CA of `start` is kept; those of `run` and `demo` live in memory. */
  readonly keepsCa: boolean
  /** Demands this token, as the agent of `vault`, or as `porthole`. */
  readonly token?: string | undefined
  /** Secrets and agents; the demo has none. */
  readonly vault?: SessionVault | RunVault | undefined
  /** True where a child writes to the same standard output. */
  readonly sharesStdout?: boolean
  /** Root files named in the user's environment: merged into what children trust. */
  readonly userRoots: { readonly added: readonly string[]; readonly replaced: readonly string[] }
  /** Roots that only this session trusts, as PEM. */
  readonly extraUpstreamRoots?: readonly string[]
}

export interface Session {
  readonly running: RunningPorthole
  readonly capturePath: string | undefined
  /** Of the control socket; undefined if there is none (the reason was told). */
  readonly controlPath: string | undefined
  /** One line on stderr, marked as ours. */
  tell(line: string): void
  /** One line on stdout; lost where nobody reads there. */
  print(line: string): void
  /** What it came to, on stderr. */
  printSummary(): void
  close(drainMs?: number): Promise<void>
}

export async function openSession(context: CliContext, plan: SessionPlan): Promise<Session> {
  const tell = (line: string): void => void context.stderr.write(`porthole: ${line}\n`)
  const { readyFile } = plan.settings
  if (readyFile !== undefined) await removeStaleReadyFile(readyFile, context.pid)
  await pruneAtStart(context, plan.home, {
    olderThanMs: plan.settings.keepCapturesMs,
    maxBytes: plan.settings.keepBytes,
  })
  const values = valuesOf(context, plan)
  hideSecretVariables(plan)
  const capture = openCapture(context, plan, { tell, values })
  const { settings, home } = plan
  const usesVault = plan.vault !== undefined
  const policy = await openSessionPolicy({ ...plan, values, tell })
  const audit = await openSessionAudit(context, { settings, home, usesVault }, tell)
  const running = await startProxy(context, plan, { capture, audit, policy, values })
  if (plan.settings.redactContent === 'off') tell(unmaskedNotice)
  const summary = createSummary()
  const control = await startControl(context, plan, { running, capture, audit, values, tell })
  const notice = createWithheldNotice(tell)
  running.subscribe((msg) => {
    summary.add(msg)
    control?.broadcast(msg)
    notice(msg)
  })
  const stdout = plan.sharesStdout === true ? createPooledOutput(context.stdout.fd) : context.stdout
  const output = createBoundedOutput(stdout, plan.settings.limits.stdoutQueueBytes)
  if (plan.settings.json) running.subscribe(createJsonPrinter(output))
  const session: Session = {
    running,
    capturePath: capture?.path,
    controlPath: control?.path,
    tell,
    print: (line) =>
      output.write(`${line}\n`, ({ count }) => `porthole: ${count} lines were not read in time\n`),
    printSummary: () => {
      const lines = formatSummary(summary.summarize(), capture?.path)
      context.stderr.write(`${lines.join('\n')}\n`)
    },
    close: async (drainMs) => {
      await running.close(drainMs === undefined ? {} : { drainMs })
      await control?.close()
      await audit?.close()
      policy?.close()
      plan.vault?.vault.close()
    },
  }
  try {
    if (readyFile !== undefined) {
      await writeReadyFile(readyFile, readyState(context, plan, running))
    }
  } catch (error) {
    await session.close(0)
    throw error
  }
  return session
}

function readyState(
  context: CliContext,
  { token }: SessionPlan,
  running: RunningPorthole,
): ReadyState {
  // No certificate that stands for nothing: nothing is intercepted then.
  const isUsed = running.caFailure === undefined
  return {
    // The token of a run is its child's alone.
    url: token === undefined ? running.proxyUrl : running.url,
    port: running.port,
    caCert: isUsed ? running.caCertPath : null,
    bundle: isUsed ? running.bundlePath : null,
    pid: context.pid,
    routes: token === undefined ? running.routes.map(routeState) : [],
  }
}

function routeState({ name, url, upstream, token }: RunningRoute): RouteState {
  return { name, url, upstream, ...(token === undefined ? {} : { token }) }
}

/** Who reads a capture later was not there when the option was set. */
const unmaskedNotice =
  '--redact-content off: keys and tokens within prompts and answers are shown and captured as they are'

function openCapture(
  context: CliContext,
  plan: SessionPlan,
  { tell, values }: { tell: (line: string) => void; values: ValueScanner | undefined },
): FileLogger | undefined {
  const { settings, home } = plan
  const path = resolveCapturePath(settings.capture, { home, now: Date.now(), pid: context.pid })
  if (path === undefined) return undefined
  refuseNamed(path, values)
  return new FileLogger(path, {
    values,
    porthole: context.version,
    maxBytes: settings.limits.captureFileBytes,
    queueBytes: settings.limits.captureQueueBytes,
    onProblem: (problem) => {
      // A message tells of it.
      if (problem.type !== 'withheld') tell(describeCaptureProblem(problem, path))
    },
  })
}

/** A name stands in listings, in descriptors and on stderr: it cannot be masked. */
function refuseNamed(path: string, values: ValueScanner | undefined): void {
  const [found] = values?.find(path) ?? []
  if (found === undefined) return
  const problem = `the name of the capture holds the value of the secret ${found.secretId}`
  throw new AppError('ERR_USAGE', { problem, next: 'give it another name' })
}

interface ProxyParts extends Pick<ControlParts, 'capture' | 'audit' | 'values'> {
  readonly policy: SessionPolicy | undefined
}

async function startProxy(
  context: CliContext,
  plan: SessionPlan,
  { capture, audit, policy, values }: ProxyParts,
): Promise<RunningPorthole> {
  const { settings } = plan
  const { host, port } = settings.listen
  const builder = new PortholeBuilder()
    .listen(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
    .allowHosts(...settings.allow.map(({ text }) => text))
    .upstreamCa(...(await readRoots(settings.upstreamCa)), ...(plan.extraUpstreamRoots ?? []))
    .inheritRoots(plan.userRoots.added, plan.userRoots.replaced)
  builder.limit(settings.limits).onCaFailure(settings.onCaFailure)
  builder.redactContent(settings.redactContent)
  if (values !== undefined) builder.withhold(values)
  if (settings.tunnelOnReject) builder.tunnelOnReject()
  if (settings.allowPrivate) builder.allowPrivateAddresses()
  if (settings.upstreamProxy !== undefined) {
    builder.upstreamProxy(settings.upstreamProxy, settings.upstreamProxyBypass)
  }
  if (plan.keepsCa) builder.caDirectory(join(plan.home, 'ca'))
  const credentials = injector(context, settings, plan.vault)
  letIn(builder, plan, credentials)
  if (audit !== undefined) builder.audit(audit)
  if (policy !== undefined) builder.rules(policy.rules, { budgets: policy.budgets })
  for (const { from, to } of settings.connectTo) builder.connectTo(from, to)
  for (const route of settings.route) builder.route(route)
  const chain: Array<Analyzer | undefined> = [
    tokenReplacer(context, settings, plan.vault),
    credentials,
    ...defaultAnalyzers({ prices: await readPrices(settings.prices) }),
    policy?.keeper,
    capture,
  ]
  for (const analyzer of chain) {
    if (analyzer !== undefined) builder.addAnalyzer(analyzer)
  }
  const proxy = builder.build()
  // Only now: settings that are refused leave no empty capture behind.
  await capture?.open()
  return proxy.start()
}

/** Who may use the proxy, and its routes. */
function letIn(
  builder: PortholeBuilder,
  { settings, token, vault }: SessionPlan,
  credentials: CredentialInjector | undefined,
): void {
  const run = vault !== undefined && 'pass' in vault ? vault : undefined
  const agent = run?.agent ?? runAgent
  builder.authentication(settings.auth)
  if (token !== undefined) builder.requireToken(agent, token, run?.pass)
  if (vault !== undefined) builder.agents(vault.directory)
  if (credentials !== undefined) builder.routeCredentials(credentials, { agent, pass: run?.pass })
}

function injector(
  context: CliContext,
  settings: Settings,
  vault: SessionVault | undefined,
): CredentialInjector | undefined {
  if (settings.credentials.length === 0 && vault === undefined) return undefined
  const credentials = settings.credentials.map(({ host, header, variable, format }) => {
    const value = context.env[variable]
    if (value === undefined || value === '') {
      throw new AppError('ERR_CREDENTIAL_MISSING', { variable, host: host.text })
    }
    return { id: variable, host: host.text, header, format, value }
  })
  return new CredentialInjector(
    credentials,
    ...(vault === undefined ? [] : [vault.vault.credentials]),
  ).ownKeys(settings.ownKeys)
}

interface ControlParts {
  readonly values: ValueScanner | undefined
  readonly running: RunningPorthole
  readonly capture: FileLogger | undefined
  readonly audit: AuditLog | undefined
  readonly tell: (line: string) => void
}

/** Without a control socket the proxy works, only viewers cannot attach: told, not fatal. */
async function startControl(
  context: CliContext,
  plan: SessionPlan,
  { running, capture, audit, values, tell }: ControlParts,
): Promise<ControlServer | undefined> {
  const mask = (text: string): string => (values === undefined ? text : maskValuesIn(text, values))
  try {
    return await ControlServer.start({
      directory: join(plan.home, 'run'),
      pid: context.pid,
      snapshotBytes: plan.settings.limits.snapshotBytes,
      clientQueueBytes: plan.settings.limits.viewerQueueBytes,
      maxViewers: plan.settings.limits.maxViewers,
      allow: (host) => {
        const pattern = running.allow(host)
        audit?.acted({ user: currentUser(), action: 'allow', target: mask(pattern) })
        return `${pattern} is decrypted from now on, on new connections`
      },
      info: {
        url: running.url,
        startedAt: Date.now(),
        command: mask(plan.command),
        ...(capture === undefined ? {} : { capture: resolve(capture.path) }),
        version: context.version,
      },
    })
  } catch (error) {
    tell(`viewers cannot attach: ${describeError(error)}`)
    return undefined
  }
}

/** Messages as lines on stdout; a reader that is too slow loses whole lines, never holds us up. */
function createJsonPrinter(output: BoundedOutput): (msg: AnalysisMsg) => void {
  return (msg) => {
    const { v, seq, at } = msg
    const lost = { v, seq: seq - 1, at, kind: 'messages-dropped', where: 'stdout' } as const
    output.write(encodeLine(msg), (counts) => encodeLine({ ...lost, ...counts }))
  }
}

function describeCaptureProblem(
  problem: Exclude<CaptureProblem, { type: 'withheld' }>,
  path: string,
): string {
  switch (problem.type) {
    case 'failing':
      return `the capture ${path} cannot be written: ${problem.message}; traffic goes on, lines wait`
    case 'recovered':
      return `the capture ${path} can be written again; ${problem.count} lines were lost`
    case 'lost':
      return `the capture ${path} lost its last ${problem.count} lines`
    case 'not-compressed':
      return `${problem.path} stays uncompressed: ${problem.message}`
  }
}
