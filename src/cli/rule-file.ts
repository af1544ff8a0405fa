/**
 * The rules of the configuration file while a proxy runs: read anew when the file changes, all at
 * once. A file that is wrong, or gone, changes nothing: the rules from before hold, and it is said
 * once.
 */
import { readFileSync, statSync } from 'node:fs'

import { describeError, errorCodeOf } from '../base/errors.ts'
import { rulesIn } from '../config/settings.ts'
import type { RulePart } from '../policy/rules/rule-sources.ts'
import type { Rule } from '../policy/rules/rule.ts'

/** How often the file is looked at, in ms. */
const pollMs = 500

export interface RuleFileOptions {
  readonly path: string
  /** As they were read at the start. */
  readonly rules: readonly Rule[]
  readonly tell: (line: string) => void
  /** Called before new rules hold; what it throws is told, and they do not. */
  readonly check?: (rules: readonly Rule[]) => void
}

export class RuleFile {
  readonly #options: RuleFileOptions
  readonly #timer: NodeJS.Timeout
  #part: RulePart
  #seen: string

  constructor(options: RuleFileOptions) {
    this.#options = options
    this.#part = { rules: options.rules }
    this.#seen = stateOf(options.path)
    this.#timer = setInterval(() => this.look(), pollMs)
    this.#timer.unref()
  }

  /** The same object as long as nothing has changed. */
  current(): RulePart {
    return this.#part
  }

  /** Looks whether the file has changed, and takes its rules if so. */
  look(): void {
    const { path, tell, check } = this.#options
    const state = stateOf(path)
    if (state === this.#seen) return
    this.#seen = state
    try {
      const rules = rulesIn({ path, text: readFileSync(path, 'utf8') })
      check?.(rules)
      this.#part = { rules }
      tell(`${path} was read anew: ${rules.length === 1 ? '1 rule' : `${rules.length} rules`}`)
    } catch (error) {
      const problem = errorCodeOf(error) === 'ENOENT' ? `${path} is gone` : describeError(error)
      tell(`${problem}; its rules from before still hold`)
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }
}

/** Differs from the time before where the file may. */
function stateOf(path: string): string {
  try {
    const { mtimeMs, ctimeMs, size, ino } = statSync(path)
    return `${mtimeMs} ${ctimeMs} ${size} ${ino}`
  } catch (error) {
    return errorCodeOf(error) ?? 'unreadable'
  }
}
