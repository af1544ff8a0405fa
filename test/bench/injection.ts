/**
 * `npm run bench -- injection`: what a credential costs a request, on one core, without any proxy
 * around it: the injector over a vault of 1, 100 and 1,000 secrets, of one secret and of none for
 * the request's host. Each figure is of the request alone: look, select, open, put in. Then what 200
 * rules in the same vault add: those of other hosts, a rate, and a model in a body of 20 KB.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { CredentialInjector as InjectorClass } from '../../analyzers/credential-injector.ts'
import type { RuleEnforcer as EnforcerClass } from '../../analyzers/rule-enforcer.ts'
import type { parseRule as ParseRule } from '../../src/config/rule-fields.ts'
import type { Analyzer, OutgoingRequest } from '../../src/pipeline/analyzer.ts'
import type { formsOfValue as Forms } from '../../src/policy/credential-value.ts'
import type { parseHostPattern as Parse } from '../../src/policy/host-pattern.ts'
import type { combineRules as CombineRules } from '../../src/policy/rules/rule-sources.ts'
import type { createHeaderList as CreateHeaders } from '../../src/proxy/http-messages.ts'
import type { openVaultIn as OpenVault, readVaultIn as ReadVault } from '../../src/vault/vault.ts'
import { builtUrl } from './built.ts'

const counts = [1, 100, 1000] as const
const warmUps = 5000
const requests = 20_000
/** What injection may add at the median, in milliseconds. */
const targetMs = 0.1
const ruleCount = 200
/** As an agent's requests are: messages, with the model at the end, where it is found last. */
const body = Buffer.from(
  JSON.stringify({
    messages: Array.from({ length: 40 }, (_, index) => ({
      role: index % 2 === 0 ? 'user' : 'assistant',
      content: 'what was said in this turn '.repeat(18),
    })),
    model: 'gpt-5',
  }),
)

const imported = <T>(path: string): Promise<T> => import(builtUrl(path).href) as Promise<T>

/** Prints one line per size of the vault: median and 99th percentile, in microseconds. */
export async function benchInjection(): Promise<string> {
  const { CredentialInjector } = await imported<{ CredentialInjector: typeof InjectorClass }>(
    'analyzers/credential-injector.js',
  )
  const vaults = await imported<{ openVaultIn: typeof OpenVault; readVaultIn: typeof ReadVault }>(
    'src/vault/vault.js',
  )
  const { parseHostPattern } = await imported<{ parseHostPattern: typeof Parse }>(
    'src/policy/host-pattern.js',
  )
  const { formsOfValue } = await imported<{ formsOfValue: typeof Forms }>(
    'src/policy/credential-value.js',
  )
  const { RuleEnforcer } = await imported<{ RuleEnforcer: typeof EnforcerClass }>(
    'analyzers/rule-enforcer.js',
  )
  const { combineRules } = await imported<{ combineRules: typeof CombineRules }>(
    'src/policy/rules/rule-sources.js',
  )
  const { parseRule } = await imported<{ parseRule: typeof ParseRule }>('src/config/rule-fields.js')
  const { createHeaderList } = await imported<{ createHeaderList: typeof CreateHeaders }>(
    'src/proxy/http-messages.js',
  )
  const home = await mkdtemp(join(tmpdir(), 'porthole-bench-'))
  const options = { home, env: {}, unrestricted: 'porthole' }
  const writable = vaults.openVaultIn(options)
  const reader = vaults.readVaultIn(options)
  const injector = new CredentialInjector(reader.credentials)
  const rules = combineRules([() => reader.rules.current()], 'allow')
  const enforcer = new RuleEnforcer(rules, { now: () => performance.now() })
  let chain: readonly Analyzer[] = [injector]
  const ask = async (host: string): Promise<number> => {
    const request: OutgoingRequest = {
      connectionId: 'c1',
      exchangeId: 'x1',
      agent: 'porthole',
      scheme: 'https',
      host,
      port: 443,
      method: 'POST',
      path: '/v1/chat/completions',
      headers: createHeaderList([['Host', host]]),
      readBody: () => Promise.resolve(body),
      emit: () => {},
      conceal: (value) => void formsOfValue(value),
    }
    const startedMs = performance.now()
    for (const analyzer of chain) {
      const given = analyzer.onRequest?.(request)
      const refusal = given instanceof Promise ? await given : given
      if (refusal !== undefined) throw new Error(refusal.message)
    }
    return performance.now() - startedMs
  }
  const measure = async (host: string): Promise<readonly [number, number]> => {
    for (let index = 0; index < warmUps; index += 1) await ask(host)
    const took: number[] = []
    for (let index = 0; index < requests; index += 1) took.push(await ask(host))
    took.sort((a, b) => a - b)
    return [took[requests / 2] ?? 0, took[Math.floor(requests * 0.99)] ?? 0]
  }
  const lines = ['injection, per request         p50        p99   (target: p50 below 100 µs)']
  try {
    let stored = 0
    for (const count of counts) {
      for (; stored < count; stored += 1) {
        await writable.secrets.add({
          name: `s${stored}`,
          hosts: [parseHostPattern(`h${stored}.example`)],
          path: undefined,
          location: {
            type: 'header',
            name: 'Authorization',
            format: 'Bearer {}',
            ifPresent: false,
          },
          content: { kind: 'value', text: `sk-value-of-a-usual-length-${stored}` },
        })
      }
      lines.push(describe(`${count} secrets, one fits`, await measure('h0.example')))
    }
    lines.push(describe('1000 secrets, none fits', await measure('other.example')))
    const withoutRules = await measure('h0.example')
    chain = [enforcer, injector]
    const add = (fields: Parameters<typeof ParseRule>[0]): void =>
      void writable.rules.add(parseRule(fields, (field) => field))
    for (let index = 0; index < ruleCount - 2; index += 1) {
      add({ action: 'block', host: `r${index}.example`, path: '/v1/files/*', model: 'gpt-4*' })
    }
    const describeRules = async (what: string): Promise<string> => {
      const [p50, p99] = await measure('h0.example')
      const addedUs = (p50 - withoutRules[0]) * 1000
      return `${describe(what, [p50, p99])}, ${addedUs.toFixed(1)} µs added`
    }
    lines.push(await describeRules('and 198 rules, none fits'))
    add({ action: 'rate', host: 'h0.example', limit: '1000000000/1d' })
    lines.push(await describeRules('… and a rate that fits'))
    add({ action: 'block', host: 'h0.example', model: 'gpt-4*' })
    lines.push(await describeRules(`… and a model, ${Math.round(body.length / 1000)} KB`))
  } finally {
    reader.close()
    writable.close()
    await rm(home, { recursive: true, force: true })
  }
  return lines.join('\n')
}

function describe(name: string, [p50, p99]: readonly [number, number]): string {
  const shown = [p50, p99].map((ms) => `${(ms * 1000).toFixed(1)} µs`.padStart(9))
  return `${name.padEnd(24)} ${shown.join('  ')}   ${p50 < targetMs ? 'met' : 'missed'}`
}
