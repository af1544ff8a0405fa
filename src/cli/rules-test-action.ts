/** Runs the rules that there are over a capture, and prints what they would have decided. */
import { readFile } from 'node:fs/promises'

import { BackTest } from '../backtest/back-test.ts'
import type { Tested } from '../backtest/back-test.ts'
import { RuleTally } from '../backtest/rule-tally.ts'
import { AppError, describeError } from '../base/errors.ts'
import { readCapture } from '../capture/reader.ts'
import type { Settings } from '../config/settings.ts'
import { resolveSettings } from '../config/settings.ts'
import type { AnalysisMsg } from '../messages/schema.ts'
import { splitTarget } from '../policy/request-path.ts'
import { combineRules } from '../policy/rules/rule-sources.ts'
import type { RulePart } from '../policy/rules/rule-sources.ts'
import type { RuleSource } from '../policy/rules/rule.ts'
import { formatPlural, formatWireText } from '../run/amounts.ts'
import { hasVault } from '../vault/vault-path.ts'
import { createTextOutput, describeLineProblem } from './capture-output.ts'
import type { CliContext } from './context.ts'
import { readConfig, resolveHome } from './context.ts'
import { formatTable } from './vault-commands.ts'

export interface RulesTestRequest {
  readonly home?: string
  readonly config?: string
  readonly ruleFile?: string
  readonly defaultAction?: 'allow' | 'block'
  readonly json?: boolean
}

/** Refusals that are listed in JSON; the rest is counted. */
const mostListed = 10_000

/** Throws ERR_CAPTURE_UNREADABLE, ERR_CAPTURE_EMPTY, and what is wrong with rules. */
export async function testRules(
  context: CliContext,
  path: string,
  request: RulesTestRequest,
): Promise<void> {
  const rules = await openRules(context, request)
  const { source } = rules
  try {
    const tally = new RuleTally(source.current())
    const refused: Tested[] = []
    const write = createTextOutput(context.stdout)
    const isJson = request.json === true
    for await (const tested of testCapture(context, path, source)) {
      tally.add(tested)
      if (tested.refusal === undefined) continue
      if (isJson && refused.length < mostListed) refused.push(tested)
      // Nobody reads any more, as after `| head`: that is no failure.
      if (!isJson && !(await write(`${lineOf(tested)}\n`))) return
    }
    if (tally.tested === 0) throw new AppError('ERR_CAPTURE_EMPTY', { path })
    await write(isJson ? jsonOf(tally, refused) : textOf(tally))
  } finally {
    rules.close()
  }
}

async function* testCapture(
  context: CliContext,
  path: string,
  source: RuleSource,
): AsyncGenerator<Tested, void, undefined> {
  const test = new BackTest(source)
  for await (const msg of messagesIn(context, path)) {
    const tested = await test.take(msg)
    if (tested !== undefined) yield tested
  }
  yield* await test.end()
}

/** What can be read of a capture; what cannot is told on stderr. */
export async function* messagesIn(
  { stderr }: Pick<CliContext, 'stderr'>,
  path: string,
): AsyncGenerator<AnalysisMsg, void, undefined> {
  for await (const line of readCapture(path)) {
    if (line.type === 'message') yield line.msg
    else if (line.type === 'problem') stderr.write(`porthole: ${describeLineProblem(line, path)}\n`)
  }
}

interface OpenRules {
  readonly source: RuleSource
  close(): void
}

async function openRules(context: CliContext, request: RulesTestRequest): Promise<OpenRules> {
  const { ruleFile, defaultAction } = request
  const flags = defaultAction === undefined ? {} : { defaultAction }
  if (ruleFile !== undefined) {
    const file = await readRuleFile(ruleFile)
    const settings = resolveSettings({ command: 'start', flags, env: {}, file })
    return { source: sourceOf(settings, []), close: () => {} }
  }
  const home = resolveHome(context, request.home)
  const file = await readConfig(context, home, request.config)
  const settings = resolveSettings({ command: 'start', flags, env: context.env, file })
  if (!hasVault(home)) return { source: sourceOf(settings, []), close: () => {} }
  const { openVault } = await import('../vault/open-vault.ts')
  const vault = await openVault({ home, env: context.env })
  return {
    source: sourceOf(settings, [() => vault.rules.current()]),
    close: () => vault.close(),
  }
}

function sourceOf({ rules, defaultAction }: Settings, parts: Array<() => RulePart>): RuleSource {
  const ofFile: RulePart = { rules }
  return combineRules([...parts, () => ofFile], defaultAction)
}

/** A configuration, or only its rules. */
async function readRuleFile(path: string): Promise<{ path: string; text: string }> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new AppError('ERR_CONFIG_UNREADABLE', { path, problem: describeError(error) }, error)
  }
  return { path, text: text.trimStart().startsWith('[') ? `{"rules":${text}}` : text }
}

function lineOf({ at, agent, method, host, port, path, refusal }: Tested): string {
  return [
    `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`,
    formatWireText(agent ?? '-', 40),
    formatWireText(method, 20),
    formatWireText(port === 443 ? host : `${host}:${port}`, 100),
    formatWireText(path === '' ? '-' : splitTarget(path).path, 200),
    refusal?.rule ?? '(default)',
    formatWireText(refusal?.message ?? '', 300),
  ].join('  ')
}

function textOf(tally: RuleTally): string {
  const rows = tally.rules.map(({ name, action, mode, told }) => [name, action, mode, told])
  const { tested, refused } = tally
  return (
    formatTable([['RULE', 'ACTION', 'MODE', 'WOULD HAVE'], ...rows]) +
    `of ${formatPlural(tested, 'request or tunnel', 'requests and tunnels')}, ${tested - refused} would have passed, ${refused} refused\n`
  )
}

function jsonOf(tally: RuleTally, listed: readonly Tested[]): string {
  const { tested, refused, rules } = tally
  const shown = {
    rules: rules.map(({ name, action, mode, decisions }) => ({ name, action, mode, decisions })),
    refused: listed.map(({ refusal, decisions, ...rest }) => ({
      ...rest,
      rule: refusal?.rule,
      status: refusal?.status,
      reason: refusal?.reason,
      message: refusal?.message,
      decisions,
    })),
    totals: { tested, passed: tested - refused, refused },
  }
  return `${JSON.stringify(shown, null, 2)}\n`
}
