/**
 * The rules of a vault, and what its agents have instead of the proxy's default action, as of the
 * reader's snapshot. What cannot be read is an error for whoever asks: then nothing is let through.
 */
import { AppError } from '../base/errors.ts'
import type { RulePart } from '../policy/rules/rule-sources.ts'
import { ruleOf } from './rule-rows.ts'
import type { VaultReader, VaultSnapshot } from './vault-reader.ts'

export class VaultRules {
  readonly #reader: VaultReader
  #known: { readonly snapshot: VaultSnapshot; readonly part: RulePart } | undefined

  constructor(reader: VaultReader) {
    this.#reader = reader
  }

  /** The same object as long as nothing has changed. Throws `ERR_VAULT_…`. */
  current(): RulePart {
    const snapshot = this.#reader.current()
    if (snapshot === undefined) return empty
    if (this.#known?.snapshot !== snapshot) this.#known = { snapshot, part: partOf(snapshot) }
    return this.#known.part
  }
}

const empty: RulePart = { rules: [] }

function partOf({ rules, agentsByName }: VaultSnapshot): RulePart {
  return {
    rules: rules.map(ruleOf),
    defaultAction: (agent) => {
      const action = agent === undefined ? null : agentsByName.get(agent)?.defaultAction
      if (action === null || action === undefined) return undefined
      if (action === 'allow' || action === 'block') return action
      throw new AppError('ERR_VAULT_TAMPERED', { what: `the agent ${agent}` })
    },
  }
}
