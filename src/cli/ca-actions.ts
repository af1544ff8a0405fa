/**
 * What `porthole ca …` does, with streams, environment and clock passed in. Results go to stdout,
 * advice and questions to stderr. Commands that only look read the certificate and never the key.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'

import type { CaDescription } from '../../ca/authority.ts'
import type { ExportFormat } from '../../ca/export.ts'
import { exportCertificate, exportFormats } from '../../ca/export.ts'
import { loadExistingAuthority, readCertificates, rotateAuthority } from '../../ca/key-store.ts'
import type { TrustState, TrustStore } from '../../ca/trust.ts'
import { pickTrustScripts, readTrust, runTrust, trustStores } from '../../ca/trust.ts'
import type { Act } from '../audit/entry.ts'
import { AppError, describeError, errorCodeOf } from '../base/errors.ts'
import { bedrockHosts, vertexHosts } from '../policy/regional-hosts.ts'

export interface CaCommandContext {
  /** Answers to questions; none are asked without a terminal. */
  readonly stdin: NodeJS.ReadableStream
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  readonly env: NodeJS.ProcessEnv
  readonly platform: NodeJS.Platform
  /** Built-in host patterns that every new CA may vouch for. */
  readonly defaultPermittedHosts: readonly string[]
  /** The data folder, from the flag or else from environment and platform. */
  resolveHome(homeFlag?: string): string
  /** The present time; the system's unless given. */
  now?(): Date
  /** Records what changes trust before it is done, and how it ended; nothing is recorded without. */
  asAct?<T>(home: string, act: Omit<Act, 'user'>, change: () => Promise<T>): Promise<T>
}

const dayMs = 86_400_000
/** From here on `status` and `show` advise to rotate. */
const renewalDays = 30

export async function showCa(context: CaCommandContext, home: string | undefined): Promise<void> {
  const stored = await readCertificates(directoryOf(context, home))
  const ca = stored.current
  print(context, [
    `subject      ${ca.subject}`,
    `SHA-256      ${ca.fingerprint256}`,
    `valid        ${day(ca.notBefore)} to ${validity(context, ca)}`,
    `vouches for  ${hostList(ca)}`,
    `certificate  ${stored.caCertPath}`,
  ])
}

export async function exportCa(
  context: CaCommandContext,
  home: string | undefined,
  flags: { readonly format: string; readonly out?: string; readonly passphrase?: string },
): Promise<void> {
  const format = exportFormats.find((known) => known === flags.format) ?? 'pem'
  checkExportTarget(context, format, flags.out)
  const { current } = await readCertificates(directoryOf(context, home))
  const bytes = exportCertificate(current.certificatePem, format, {
    passphrase: flags.passphrase,
    friendlyName: current.subject,
  })
  if (flags.out === undefined) {
    context.stdout.write(bytes)
    return
  }
  try {
    await writeFile(flags.out, bytes, { mode: 0o644 })
  } catch (error) {
    const problem = errorCodeOf(error) ?? describeError(error)
    throw new AppError('ERR_OUTPUT_UNWRITABLE', { path: flags.out, problem }, error)
  }
}

export async function trustCa(
  context: CaCommandContext,
  home: string | undefined,
  action: 'install' | 'uninstall',
  flags: {
    readonly store: string
    readonly machine?: boolean
    readonly dryRun?: boolean
    readonly yes?: boolean
    readonly old?: boolean
  },
): Promise<void> {
  const scripts = pickTrustScripts({ platform: context.platform, store: storeOf(flags.store) })
  const asks = flags.yes !== true && flags.dryRun !== true
  if (asks && !(isTerminal(context.stdin) && isTerminal(context.stderr))) {
    throw new AppError('ERR_USAGE', {
      problem: `porthole ca ${action} changes what this machine trusts, and cannot ask here`,
      next: `look with --dry-run, then run: porthole ca ${action} --yes`,
    })
  }
  const directory = directoryOf(context, home)
  // A CA whose key others may have read must not become trusted: this checks the key file too.
  if (action === 'install') await loadExistingAuthority(directory, nowIn(context))
  const stored = await readCertificates(directory)
  const old = action === 'install' ? [] : stored.old
  await withCertificateFiles(old, async (oldPaths) => {
    const caPaths = flags.old === true ? oldPaths : [stored.caCertPath, ...oldPaths]
    if (caPaths.length === 0) {
      print(context, ['nothing to do: no certificate was rotated away'])
      return
    }
    const { store, machine } = flags
    const act = { action: `ca ${action}`, details: { store, machine, old: flags.old } }
    const outcome = await runTrust(action, {
      scripts,
      caPaths,
      env: context.env,
      machine: flags.machine,
      dryRun: flags.dryRun,
      write: (text) => context.stdout.write(text),
      within: (change) => asAct(context, home, act, change),
      ...(asks ? { confirm: () => ask(context, 'Do this? [y/N] ') } : {}),
    })
    if (outcome === 'declined') context.stderr.write('nothing was changed\n')
  })
}

export async function statusOfCa(
  context: CaCommandContext,
  home: string | undefined,
  flags: { readonly machine?: boolean },
): Promise<void> {
  const stored = await readCertificates(directoryOf(context, home))
  const scripts = pickTrustScripts({ platform: context.platform, store: 'all' })
  const look = (caPath: string): Promise<readonly TrustState[]> =>
    readTrust({ scripts, caPath, env: context.env, machine: flags.machine })
  print(context, [
    stored.current.subject,
    `  expires      ${validity(context, stored.current)}`,
    `  vouches for  ${hostList(stored.current)}`,
    ...(await look(stored.caCertPath)).map(
      ({ state, store, where }) => `  ${state.padEnd(11)}  ${store.padEnd(6)}  ${where}`,
    ),
  ])
  await withCertificateFiles(stored.old, async (paths) => {
    for (const [index, path] of paths.entries()) {
      const trusted = (await look(path)).filter(({ state }) => state === 'trusted')
      const lines = trusted.map(({ store, where }) => `  trusted      ${store.padEnd(6)}  ${where}`)
      const subject = stored.old[index]?.subject ?? 'an older one'
      if (lines.length > 0) print(context, [`${subject} (rotated away, still trusted)`, ...lines])
    }
  })
}

export async function rotateCa(
  context: CaCommandContext,
  home: string | undefined,
  permit: readonly string[],
): Promise<void> {
  const directory = directoryOf(context, home)
  const before = await readCertificates(directory).catch(() => undefined)
  const act = { action: 'ca rotate', details: { permit } }
  const { authority, caCertPath } = await asAct(context, home, act, () =>
    rotateAuthority(directory, {
      permittedHosts: [
        ...(before?.current.permittedHosts ?? []),
        ...context.defaultPermittedHosts,
        ...permit,
      ],
      now: nowIn(context),
    }),
  )
  print(context, [
    `new certificate authority: ${authority.subject}`,
    `SHA-256      ${authority.fingerprint256}`,
    `valid        ${day(authority.notBefore)} to ${validity(context, authority)}`,
    `vouches for  ${hostList(authority)}`,
    `certificate  ${caCertPath}`,
  ])
  if (before === undefined) return
  context.stderr.write(
    'The old one is trusted where it was until it is removed, and the new one is not yet.\n' +
      '  where it was trusted, run:   porthole ca install, then porthole ca uninstall --old\n' +
      '  proxies that are running:    start them again\n',
  )
}

function directoryOf(context: CaCommandContext, home: string | undefined): string {
  return join(context.resolveHome(home), 'ca')
}

/** One that is not to be recorded is only done. */
function asAct<T>(
  context: CaCommandContext,
  home: string | undefined,
  act: Omit<Act, 'user'>,
  change: () => Promise<T>,
): Promise<T> {
  return context.asAct?.(context.resolveHome(home), act, change) ?? change()
}

function nowIn(context: CaCommandContext): Date {
  return context.now?.() ?? new Date()
}

function print(context: CaCommandContext, lines: readonly string[]): void {
  context.stdout.write(`${lines.join('\n')}\n`)
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}

function validity(context: CaCommandContext, ca: CaDescription): string {
  const leftMs = ca.notAfter.getTime() - nowIn(context).getTime()
  const days = Math.ceil(leftMs / dayMs)
  if (leftMs < 0) return `${day(ca.notAfter)} (expired; renew it with: porthole ca rotate)`
  const left = days === 1 ? '1 day left' : `${days} days left`
  const advice = days <= renewalDays ? '; renew it with: porthole ca rotate' : ''
  return `${day(ca.notAfter)} (${left}${advice})`
}

/** Too many to be told one by one. */
const regions = [
  { name: 'Amazon Bedrock', hosts: bedrockHosts },
  { name: 'Vertex AI', hosts: vertexHosts },
]

/** A permitted name covers the names under it, which the list says once. */
function hostList(ca: CaDescription): string {
  if (ca.permittedHosts.length === 0) return 'nothing'
  const permitted = new Set(ca.permittedHosts)
  const whole = regions.filter(({ hosts }) => hosts.every((host) => permitted.has(host)))
  const said = new Set(whole.flatMap(({ hosts }) => hosts))
  const names = [
    ...ca.permittedHosts.filter((host) => !said.has(host)),
    ...whole.map(({ name, hosts }) => `every region of ${name} (${hosts.length} hosts)`),
  ]
  return `${names.join(', ')} (names with all names under them), and nothing else`
}

function storeOf(text: string): TrustStore | 'all' {
  return trustStores.find((store) => store === text) ?? 'all'
}

/** The scripts take files of one certificate each; these are gone when `use` is over. */
async function withCertificateFiles(
  certificates: readonly CaDescription[],
  use: (paths: readonly string[]) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'porthole-ca-'))
  try {
    const paths: string[] = []
    for (const { fingerprint256, certificatePem } of certificates) {
      const path = join(directory, `${fingerprint256.replaceAll(':', '').slice(0, 16)}.pem`)
      await writeFile(path, certificatePem)
      paths.push(path)
    }
    await use(paths)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function checkExportTarget(
  context: CaCommandContext,
  format: ExportFormat,
  out: string | undefined,
): void {
  if (out !== undefined || format === 'pem' || !isTerminal(context.stdout)) return
  throw new AppError('ERR_USAGE', {
    problem: `${format} is binary and would upset the terminal`,
    next: 'name a file with --out FILE, or redirect the output',
  })
}

function isTerminal(stream: NodeJS.ReadableStream | NodeJS.WritableStream): boolean {
  return 'isTTY' in stream && stream.isTTY === true
}

/** True only for a plain yes; the end of the input is a no. */
async function ask(context: CaCommandContext, question: string): Promise<boolean> {
  const lines = createInterface({ input: context.stdin, terminal: false })
  context.stderr.write(question)
  try {
    for await (const line of lines) return /^\s*y(?:es)?\s*$/iu.test(line)
    return false
  } finally {
    lines.close()
  }
}
