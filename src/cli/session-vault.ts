/**
 * The vault as `start` and `run` use it: `start` lets in the agents that there are, also those to
 * come; `run` lets in its own child alone, as an agent of the vault or as one that sees all.
 */
import { AppError } from '../base/errors.ts'
import type { AgentDirectory, AgentPass } from '../policy/agent-pass.ts'
import type { CredentialBinding } from '../policy/credential.ts'
import { openVault } from '../vault/open-vault.ts'
import { hasVault } from '../vault/vault-path.ts'
import type { Vault } from '../vault/vault.ts'
import type { CliContext } from './context.ts'
import { askerOf } from './hidden-prompt.ts'

/** The agent of a run that names none, and of those who come by the token of a route. */
export const runAgent = 'porthole'

export interface SessionVault {
  readonly vault: Vault
  readonly directory: AgentDirectory
  /** Variables that secrets refer to, which no child may inherit. */
  readonly variables: readonly string[]
  /** What may be put into the requests of this run, or of the session's own routes. */
  readonly bindings: readonly CredentialBinding[]
}

export interface RunVault extends SessionVault {
  readonly agent: string
  readonly pass: AgentPass | undefined
}

/** Looked for all the time: it may be made while the proxy runs. Throws `ERR_VAULT_…`. */
export async function openStandingVault(context: CliContext, home: string): Promise<SessionVault> {
  const ask = askerOf(context)
  const vault = await openVault({ home, env: context.env, ask, unrestricted: runAgent })
  return {
    vault,
    directory: vault.agents,
    variables: await vault.credentials.unlock(),
    bindings: vault.credentials.bindingsFor(runAgent),
  }
}

/** Undefined where there is no vault. Throws `ERR_AGENT_UNKNOWN`, `ERR_VAULT_…`. */
export async function openRunVault(
  context: CliContext,
  home: string,
  name: string | undefined,
): Promise<RunVault | undefined> {
  if (!hasVault(home)) {
    if (name === undefined) return undefined
    throw new AppError('ERR_AGENT_UNKNOWN', { name })
  }
  const agent = name ?? runAgent
  const ask = askerOf(context)
  const vault = await openVault({ home, env: context.env, ask, unrestricted: runAgent })
  const pass = name === undefined ? undefined : vault.agents.passOf(name)
  if (name !== undefined && pass?.isValid() !== true) {
    throw new AppError('ERR_AGENT_UNKNOWN', { name })
  }
  return {
    vault,
    agent,
    pass,
    bindings: vault.credentials.bindingsFor(agent),
    variables: await vault.credentials.unlock(),
    directory: {
      // The run's own token is the only one here.
      demandsToken: () => true,
      find: () => undefined,
      subscribe: (listener) => vault.agents.subscribe(listener),
    },
  }
}
