/** `porthole audit`: what was decided and who changed what decides; whether the record still holds. */
import type { Command } from 'commander'

import type { AuditDatabase } from '../audit/audit-database.ts'
import { auditPathIn, hasAudit } from '../audit/audit-path.ts'
import type { AuditQuery } from '../audit/audit-reader.ts'
import type { ExpectedHead } from '../audit/verify.ts'
import { AppError } from '../base/errors.ts'
import { durationFactors, parseUnits } from '../base/units.ts'
import { parseHostPattern } from '../policy/host-pattern.ts'
import { formatPlural } from '../run/amounts.ts'
import { followRows, printRows } from './audit-output.ts'
import type { CliContext } from './context.ts'
import { createTeller, resolveHome } from './context.ts'
import { currentUser } from './session-audit.ts'

interface AuditFlags {
  readonly agent?: string
  readonly host?: string
  readonly since?: string
  readonly until?: string
  readonly denied?: boolean
  readonly json?: boolean
  readonly follow?: boolean
  readonly limit?: string
  readonly verify?: boolean
  readonly expect?: string
  readonly head?: boolean
  readonly home?: string
}

export function registerAuditCommand(program: Command, context: CliContext): void {
  const audit = program
    .command('audit')
    .summary('see what was decided, and check that the record holds')
    .description(
      'Prints one row for each decision of a proxy, with how it ended, and for each change of ' +
        'agents, secrets, tokens and rules. Entries are chained by hashes: --verify finds what was tampered with.',
    )
    .option('--agent <NAME>', 'decisions about this agent')
    .option('--host <PATTERN>', 'decisions about these hosts (host, *.host, host:port)')
    .option('--since <TIME>', 'from then on: 2h, 30m, 2026-11-22 or 2026-11-22T08:00Z')
    .option('--until <TIME>', 'up to then')
    .option('--denied', 'refusals alone')
    .option('--limit <N>', 'the last N rows (default: 100, with --json all)')
    .option('--json', 'one row a line, as JSON')
    .option('--follow', 'print rows as they come, until it is stopped')
    .option('--verify', 'check the whole chain; exit code 1 where it does not hold')
    .option('--expect <HEAD>', 'with --verify: what --head printed before must still be in it')
    .option('--head', 'print the end of the chain, to be kept elsewhere')
    .option('--home <DIR>', 'folder that holds the audit, audit.db')
    .addHelpText(
      'after',
      '\nExamples:\n  porthole audit --denied --since 2h\n  porthole audit --host api.openai.com --json\n' +
        '  porthole audit --verify\n  porthole audit prune --older-than 90d',
    )
    .action((flags: AuditFlags) => act(context, flags))
  registerPrune(audit, context)
}

async function act(context: CliContext, flags: AuditFlags): Promise<void> {
  const home = resolveHome(context, flags.home)
  const query = queryOf(flags)
  const most = limitOf(flags)
  const expected = expectedOf(flags)
  await withAudit(home, async (audit) => {
    if (flags.head === true) {
      const { count, hash } = audit.head
      context.stdout.write(`${count}:${hash}\n`)
    } else if (flags.verify === true) {
      await verify(context, audit, expected)
      const { standingProblem } = await import('./vault-standing.ts')
      const problem = await standingProblem(home, audit)
      if (problem !== undefined) createTeller(context)(problem)
    } else if (flags.follow === true) await followRows(context, audit, query, flags.json === true)
    else await printRows(context, audit, query, { most, isJson: flags.json === true })
  })
}

async function verify(
  context: CliContext,
  audit: AuditDatabase,
  expected: ExpectedHead | undefined,
): Promise<void> {
  const { verifyAudit } = await import('../audit/verify.ts')
  const result = verifyAudit(audit, expected)
  if (!result.ok) {
    const where = result.number > 0 ? `entry ${result.number}: ` : ''
    throw new AppError('ERR_AUDIT_BROKEN', { problem: `${where}${result.problem}` })
  }
  const { head, entries, pruned } = result
  const before = pruned === 0 ? '' : `, ${formatPlural(pruned, 'older one')} pruned`
  context.stdout.write(
    `the audit holds: ${formatPlural(entries, 'entry', 'entries')}${before}\n${head.count}:${head.hash}\n`,
  )
}

function registerPrune(audit: Command, context: CliContext): void {
  audit
    .command('prune')
    .requiredOption('--older-than <TIME>', 'what is older goes: 90d, 12h')
    .option('--home <DIR>', 'folder that holds the audit, audit.db')
    .description('remove old entries; the rest can still be verified, and tells of it')
    .addHelpText('after', '\nExample:\n  porthole audit prune --older-than 90d')
    .action(async (flags: { readonly olderThan: string }, command: Command) => {
      const ms = parseUnits(flags.olderThan, durationFactors)
      if (ms === undefined || ms <= 0) throw badTime('--older-than', flags.olderThan, '90d or 12h')
      const home = resolveHome(context, command.optsWithGlobals()['home'])
      if (!hasAudit(home)) throw new AppError('ERR_AUDIT_MISSING', { path: home })
      const { pruneAudit } = await import('../audit/acts.ts')
      const count = pruneAudit(
        { path: auditPathIn(home), pid: context.pid, now: Date.now },
        { user: currentUser(), before: Date.now() - ms },
      )
      createTeller(context)(`removed ${formatPlural(count, 'entry', 'entries')}`)
    })
}

async function withAudit(
  home: string,
  work: (audit: AuditDatabase) => Promise<void>,
): Promise<void> {
  if (!hasAudit(home)) throw new AppError('ERR_AUDIT_MISSING', { path: home })
  // Loaded here, so that no other command pays for a database.
  const { openAuditDatabase } = await import('../audit/audit-database.ts')
  const audit = openAuditDatabase(auditPathIn(home), { survives: 'system' })
  try {
    await work(audit)
  } finally {
    audit.close()
  }
}

function queryOf({ agent, host, since, until, denied }: AuditFlags): AuditQuery {
  const pattern = host === undefined ? undefined : parseHostPattern(host)
  return {
    agent,
    since: momentOf('--since', since),
    until: momentOf('--until', until),
    isDenied: denied,
    isHost:
      pattern === undefined
        ? undefined
        : (name, port) =>
            (pattern.port === undefined || pattern.port === port) &&
            (pattern.wildcard ? name.endsWith(`.${pattern.host}`) : name === pattern.host),
  }
}

/** A time before now, or a date; in epoch milliseconds. */
function momentOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ago = parseUnits(text, durationFactors)
  if (ago !== undefined) return Date.now() - ago
  const at = /^\d{4}-\d{2}-\d{2}/u.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) throw badTime(flag, text)
  return at
}

function limitOf({ limit, json }: AuditFlags): number | undefined {
  if (limit === undefined) return json === true ? undefined : 100
  if (/^[1-9]\d{0,8}$/u.test(limit)) return Number(limit)
  const problem = `--limit is ${JSON.stringify(limit)}`
  throw new AppError('ERR_USAGE', { problem, next: 'write it as a number, such as 500' })
}

function expectedOf({ expect, verify }: AuditFlags): ExpectedHead | undefined {
  if (expect === undefined) return undefined
  const groups = /^(?:(?<number>\d{1,15}):)?(?<hash>[\da-f]{64})$/u.exec(expect)?.groups
  if (verify !== true || groups === undefined) {
    const problem = verify === true ? '--expect is no head of a chain' : '--expect is for --verify'
    const next = 'give it what porthole audit --head printed, with --verify'
    throw new AppError('ERR_USAGE', { problem, next })
  }
  const { number, hash = '' } = groups
  return { number: number === undefined ? undefined : Number(number), hash }
}

function badTime(flag: string, text: string, form = '90d, 2h, 30m or 2026-11-22'): AppError {
  const problem = `${flag} is ${JSON.stringify(text)}`
  return new AppError('ERR_USAGE', { problem, next: `write it as ${form}` })
}
