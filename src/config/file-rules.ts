/** The rules of a configuration file: named, placed, and told by where they stand if they are wrong. */
import { AppError } from '../base/errors.ts'
import type { Rule } from '../policy/rules/rule.ts'
import type { RuleFields } from './rule-fields.ts'
import { parseRule } from './rule-fields.ts'

/** Throws `ERR_CONFIG_UNREADABLE`; a rule without a name is called by its number, `file-1`. */
export function fileRules(entries: readonly RuleFields[], path: string): readonly Rule[] {
  const names = new Set<string>()
  return entries.map((fields, index) => {
    const rule = fileRule(fields, index, path)
    if (names.has(rule.name)) {
      const problem = `rules.${index}: there are two rules named ${rule.name}`
      throw new AppError('ERR_CONFIG_UNREADABLE', { path, problem })
    }
    names.add(rule.name)
    return rule
  })
}

function fileRule(fields: RuleFields, index: number, path: string): Rule {
  try {
    const draft = parseRule(fields, (field) => field)
    const name = draft.name ?? `file-${index + 1}`
    // Told apart by name; what was there before the process is not known.
    return { ...draft, name, id: `file:${name}`, origin: 'file', createdAt: 0 }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const problem = `rules.${index}: ${error.message}; ${error.hint}`
    throw new AppError('ERR_CONFIG_UNREADABLE', { path, problem }, error)
  }
}
