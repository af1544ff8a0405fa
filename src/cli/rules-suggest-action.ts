/** Prints the rules that a capture suggests: as commands for a shell, or as JSON. */
import { CaptureObserver } from '../backtest/observe-capture.ts'
import type { SuggestedRules } from '../backtest/suggest-rules.ts'
import { AppError } from '../base/errors.ts'
import { visibleLine } from '../base/visible-text.ts'
import { quoteWord } from '../capture/export/shell-quote.ts'
import { statedFields } from '../config/rule-fields.ts'
import type { RuleFields } from '../config/rule-fields.ts'
import { formatCount, formatPlural } from '../run/amounts.ts'
import type { CliContext } from './context.ts'
import { createTeller } from './context.ts'
import { messagesIn } from './rules-test-action.ts'

/** Throws ERR_CAPTURE_UNREADABLE, ERR_CAPTURE_EMPTY. */
export async function suggest(context: CliContext, path: string, isJson: boolean): Promise<void> {
  const observer = new CaptureObserver()
  for await (const msg of messagesIn(context, path)) await observer.take(msg)
  const suggested = await observer.end()
  if (observer.count === 0 && observer.refusedCount === 0)
    throw new AppError('ERR_CAPTURE_EMPTY', { path })
  const tell = createTeller(context)
  for (const note of suggested.notes) tell(note)
  const left = observer.refusedCount
  if (left > 0)
    tell(`${formatPlural(left, 'request')} refused at the time: no rule is made for that`)
  if (isJson) {
    const shown = { defaultAction: 'block', rules: suggested.rules }
    context.stdout.write(`${JSON.stringify(shown, null, 2)}\n`)
    return
  }
  context.stdout.write(
    `# ${passing(observer.count)} of ${visibleLine(path)} would pass these rules, and nothing else.\n`,
  )
  for (const line of commandsOf(suggested)) context.stdout.write(`${line}\n`)
  context.stdout.write('# They hold once the proxy blocks what no rule allows:\n')
  context.stdout.write('# porthole start --default-action block\n')
}

function passing(count: number): string {
  return count === 1
    ? 'The one request or tunnel'
    : `All ${formatCount(count)} requests and tunnels`
}

/** One command a rule; every word is safe in a POSIX shell. */
export function commandsOf({ rules }: Pick<SuggestedRules, 'rules'>): string[] {
  return rules.map((rule) => `porthole rules add ${rule.action}${flagsOf(rule)}`)
}

function flagsOf(rule: RuleFields): string {
  return statedFields
    .map((name) => {
      const given = rule[name]
      if (given === undefined) return ''
      const value = typeof given === 'string' ? given : given.join(',')
      // Else a value that begins with a hyphen would be a flag of its own.
      return value.startsWith('-')
        ? ` ${quoteWord(`--${name}=${value}`)}`
        : ` --${name} ${quoteWord(value)}`
    })
    .join('')
}
