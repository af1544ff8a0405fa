/**
 * The rules of a session: those of the vault, also of one that is made while it runs, and those of
 * the configuration file. Both are followed as they change.
 */
import { AppError, asError } from '../base/errors.ts'
import type { Settings } from '../config/settings.ts'
import type { RulePart } from '../policy/rules/rule-sources.ts'
import { combineRules } from '../policy/rules/rule-sources.ts'
import type { Rule, RuleSource } from '../policy/rules/rule.ts'
import { openVault } from '../vault/open-vault.ts'
import { hasVault } from '../vault/vault-path.ts'
import type { Vault } from '../vault/vault.ts'
import { RuleFile } from './rule-file.ts'

export interface SessionRules {
  readonly source: RuleSource
  close(): void
}

interface RulesPlan {
  readonly settings: Settings
  readonly home: string
  /** The configuration file, whether it is there or not. */
  readonly configPath: string
  /** Undefined as long as there is none. */
  readonly vault: Vault | undefined
  readonly tell: (line: string) => void
}

/** How often a vault is looked for that is not there yet, in ms. */
const pollMs = 500

/** Throws `ERR_CONFIG_UNREADABLE` for a rule of the file that is called as one of the vault's. */
export function openSessionRules(plan: RulesPlan): SessionRules {
  const { settings, configPath: path, tell } = plan
  const vault = plan.vault === undefined ? laterVault(plan.home) : knownVault(plan.vault)
  const check = (rules: readonly Rule[]): void => checkNames(rules, vault.current(), path)
  check(settings.rules)
  const file = new RuleFile({ path, rules: settings.rules, tell, check })
  return {
    source: combineRules([() => vault.current(), () => file.current()], settings.defaultAction),
    close: () => {
      file.close()
      vault.close()
    },
  }
}

interface VaultPart {
  current(): RulePart
  close(): void
}

/** The session closes what it has opened. */
function knownVault({ rules }: Vault): VaultPart {
  return { current: () => rules.current(), close: () => {} }
}

const none: RulePart = { rules: [] }

/** A run begins without a vault as long as none is there; rules may be the first thing put into it. */
function laterVault(home: string): VaultPart {
  let opened: Vault | undefined
  let failure: Error | undefined
  let isClosed = false
  const timer = setInterval(() => {
    if (!hasVault(home)) return
    clearInterval(timer)
    openVault({ home, env: {} }).then(
      (vault) => {
        if (isClosed) vault.close()
        else opened = vault
      },
      (error: unknown) => {
        failure = asError(error)
      },
    )
  }, pollMs)
  timer.unref()
  return {
    current: () => {
      if (failure !== undefined) throw failure
      return opened?.rules.current() ?? none
    },
    close: () => {
      isClosed = true
      clearInterval(timer)
      opened?.close()
    },
  }
}

function checkNames(rules: readonly Rule[], { rules: others }: RulePart, path: string): void {
  const taken = new Set(others.map(({ name }) => name))
  const twice = rules.find(({ name }) => taken.has(name))
  if (twice === undefined) return
  const problem = `there is a rule named ${twice.name} in the vault already`
  throw new AppError('ERR_CONFIG_UNREADABLE', { path, problem })
}
