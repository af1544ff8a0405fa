/** Rules as the command line keeps them: made, listed, watched instead of enforced, removed. */
import { AppError } from '../base/errors.ts'
import type { RuleDraft } from '../config/rule-fields.ts'
import { madeUpName } from '../config/rule-fields.ts'
import type { Rule } from '../policy/rules/rule.ts'
import type { VaultDatabase } from './database.ts'
import { sql } from './database.ts'
import { columnsOf, ruleOf } from './rule-rows.ts'
import type { RuleRow } from './schema.ts'
import { mintId } from './sealing.ts'

/** Each request is held to all of them. */
const maxRules = 1000

export class RuleStore {
  readonly #database: VaultDatabase
  readonly #now: () => number

  constructor(database: VaultDatabase, now: () => number) {
    this.#database = database
    this.#now = now
  }

  /** `elsewhere` holds names that are taken by rules of a file. Throws `ERR_NAME_TAKEN`, `ERR_RULE_INVALID`. */
  add(draft: RuleDraft, elsewhere: ReadonlySet<string> = new Set()): Rule {
    return this.#database.write(() => {
      const rows = this.#rows()
      const taken = new Set([...elsewhere, ...rows.map((row) => row.name)])
      const name = draft.name ?? madeUpName(draft.action, (made) => taken.has(made))
      if (taken.has(name)) {
        const next = 'choose another name, or change that rule with rules set'
        throw new AppError('ERR_NAME_TAKEN', { what: 'a rule', name, next })
      }
      if (rows.length >= maxRules) {
        const problem = `there are ${maxRules} rules already`
        throw new AppError('ERR_RULE_INVALID', { problem, next: 'remove some, or join them' })
      }
      const now = this.#now()
      const row: RuleRow = {
        id: mintId('rule'),
        name,
        ...columnsOf(draft),
        created_at: now,
        changed_at: now,
      }
      this.#database.run(sql.insertInto('rules').values(row))
      return ruleOf(row)
    })
  }

  /** By name. Throws `ERR_VAULT_TAMPERED` for one that cannot be read. */
  list(): Rule[] {
    return this.#rows().map(ruleOf)
  }

  /** Throws `ERR_RULE_UNKNOWN`. */
  get(name: string): Rule {
    const found = this.#rows().find((row) => row.name === name)
    if (found === undefined) throw new AppError('ERR_RULE_UNKNOWN', { name })
    return ruleOf(found)
  }

  /**
   * Gives a rule another content; its name, its mode and what it has counted stay. Throws
   * `ERR_RULE_UNKNOWN`, and what `draftOf` throws.
   */
  set(name: string, draftOf: (rule: Rule) => RuleDraft): Rule {
    return this.#database.write(() => {
      const row = this.#rows().find((known) => known.name === name)
      if (row === undefined) throw new AppError('ERR_RULE_UNKNOWN', { name })
      const columns = { ...columnsOf(draftOf(ruleOf(row))), changed_at: this.#now() }
      this.#database.run(sql.updateTable('rules').set(columns).where('id', '=', row.id))
      return ruleOf({ ...row, ...columns })
    })
  }

  /** From the next request on. Throws `ERR_RULE_UNKNOWN`. */
  setMode(name: string, mode: Rule['mode']): void {
    this.#change(
      name,
      sql.updateTable('rules').set({ mode, changed_at: this.#now() }).where('name', '=', name),
    )
  }

  /** One that cannot be read too. Throws `ERR_RULE_UNKNOWN`. */
  remove(name: string): void {
    this.#change(name, sql.deleteFrom('rules').where('name', '=', name))
  }

  #change(name: string, query: Parameters<VaultDatabase['run']>[0]): void {
    this.#database.write(() => {
      if (this.#database.run(query) === 0) throw new AppError('ERR_RULE_UNKNOWN', { name })
    })
  }

  #rows(): RuleRow[] {
    return this.#database.all(sql.selectFrom('rules').selectAll().orderBy('name'))
  }
}
