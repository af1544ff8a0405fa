/**
 * A proxy with all that decides over a request, in the order that users get: rules, opaque tokens,
 * credentials, an audit that a test can hold back, and the analyzers. One host has a secret.
 */
import { CredentialInjector } from '../../analyzers/credential-injector.ts'
import type { OwnKeys } from '../../analyzers/credential-injector.ts'
import { defaultAnalyzers } from '../../analyzers/index.ts'
import { TokenReplacer } from '../../analyzers/token-replacer.ts'
import type { TokenReplacerOptions } from '../../analyzers/token-replacer.ts'
import type { PortholeBuilder } from '../../src/builder.ts'
import type { CredentialLocation } from '../../src/policy/credential.ts'
import type { AuditSink, Decision, Outcome } from '../../src/policy/decision-log.ts'
import type { Rule } from '../../src/policy/rules/rule.ts'
import type { ProxyUnderTest } from './proxy.ts'
import { startProxy } from './proxy.ts'
import { testRules } from './rules.ts'
import { startTokenUpstream } from './token-bench.ts'
import type { TokenUpstream } from './token-bench.ts'
import { createUpstreamRoot } from './upstream.ts'
import { agent, makeVault, secret } from './vault.ts'
import type { VaultUnderTest } from './vault.ts'

export const host = 'api.openai.com'
export const secretValue = 'CANARY-secret-0123456789'

export interface JoinedSetup {
  readonly rules?: readonly Rule[]
  readonly fallback?: 'allow' | 'block'
  readonly location?: CredentialLocation
  readonly ownKeys?: OwnKeys
  readonly tokens?: TokenReplacerOptions
  /** What the audit says to what may be let through. */
  readonly record?: (decision: Decision) => void | Promise<boolean>
  readonly configure?: (builder: PortholeBuilder) => void
}

export interface JoinedBench {
  readonly proxy: ProxyUnderTest
  readonly upstream: TokenUpstream
  readonly vault: VaultUnderTest
  readonly decisions: Decision[]
  readonly outcomes: Outcome[]
  /** Of an agent that has the secret. */
  readonly agentToken: string
  /** Stands for the secret. */
  readonly token: string
  close(): Promise<void>
}

export async function startJoinedBench(setup: JoinedSetup = {}): Promise<JoinedBench> {
  const vault = await makeVault()
  const location = setup.location === undefined ? {} : { location: setup.location }
  await vault.writable.secrets.add(secret('one', host, secretValue, location))
  const agentToken = vault.writable.agents.add(agent('ci', { secrets: 'all' }))
  const { token } = vault.writable.tokens.mint({
    secret: 'one',
    hosts: undefined,
    agent: undefined,
    expiresAt: undefined,
  })
  const root = createUpstreamRoot(host)
  const upstream = await startTokenUpstream(root, host)
  const read = vault.read({ unrestricted: 'porthole' })
  const credentials = new CredentialInjector(read.credentials).ownKeys(setup.ownKeys ?? 'replace')
  const decisions: Decision[] = []
  const outcomes: Outcome[] = []
  const audit: AuditSink = {
    decided: (decision) => {
      decisions.push(decision)
      return decision.decision === 'deny' ? undefined : setup.record?.(decision)
    },
    ended: (outcome) => void outcomes.push(outcome),
  }
  const proxy = await startProxy({
    connectTo: { [`${host}:443`]: upstream.port },
    root,
    configure: (builder) => {
      builder.rules(testRules(setup.rules ?? [], setup.fallback)).audit(audit)
      builder.agents(read.agents).addAnalyzer(new TokenReplacer(read.tokens, setup.tokens))
      builder.addAnalyzer(credentials).routeCredentials(credentials, { agent: 'porthole' })
      for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
      builder.route(`r=https://${host}`)
      setup.configure?.(builder)
    },
  })
  return {
    proxy,
    upstream,
    vault,
    decisions,
    outcomes,
    agentToken,
    token,
    close: async () => {
      await proxy.close()
      await upstream.close()
      await vault.close()
    },
  }
}
