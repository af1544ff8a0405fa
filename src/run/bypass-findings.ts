/**
 * What in a user's surroundings leads a program past the proxy, or has it fail there: variables,
 * and the settings files of known clients, which beat them. Pure: files are read by the caller, and
 * of addresses the host alone is told, since the rest may hold a secret.
 */
import { visibleLine } from '../base/visible-text.ts'
import { parseHost } from '../policy/authority.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import { keepBypassEntries } from './proxy-bypass.ts'

export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail'
  /** One line, safe to print. */
  readonly what: string
  /** What to do, one line; empty where there is nothing to do. */
  readonly fix: string
}

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  /** What is decrypted. */
  readonly allow: readonly HostPattern[]
  /** Addresses of proxies of ours that run. */
  readonly proxyUrls: readonly string[]
}

/** Names of variables that hold an address which SDKs and clients use in place of their own. */
const baseUrlName =
  /^(?:\w+_BASE_URL|OPENAI_API_BASE|AZURE_OPENAI_ENDPOINT|CODE_ASSIST_ENDPOINT|AWS_ENDPOINT_URL(?:_BEDROCK(?:_RUNTIME)?)?|OLLAMA_HOST|CO_API_URL)$/u
const proxyNames = ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'] as const

/** Only what is worth a line; none is good. */
export function environmentFindings(surroundings: Surroundings): Finding[] {
  const { env, allow } = surroundings
  const findings: Finding[] = []
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    findings.push({
      level: 'fail',
      what: 'NODE_TLS_REJECT_UNAUTHORIZED=0 switches off the check of certificates',
      fix: 'unset it: no proxy starts with it; a private upstream is trusted by --upstream-ca FILE',
    })
  }
  const { notes } = keepBypassEntries(
    [env['NO_PROXY'], env['no_proxy']],
    allow.map(({ text }) => text),
  )
  for (const note of notes) {
    findings.push({
      level: 'warn',
      what: visibleLine(note.replace(' is left out for this run: it would hide ', ' hides ')),
      fix: 'porthole run leaves it out; take it out yourself for programs that use porthole start',
    })
  }
  findings.push(...proxyFindings(surroundings))
  for (const [name, value = ''] of Object.entries(env)) {
    if (baseUrlName.test(name) && value !== '') {
      findings.push(...baseUrlFindings(name, value, surroundings))
    }
  }
  return findings
}

function proxyFindings({ env, proxyUrls }: Surroundings): Finding[] {
  const name = proxyNames.find((candidate) => (env[candidate] ?? '') !== '')
  if (name === undefined) return []
  const host = hostIn(env[name] ?? '')
  if (proxyUrls.some((url) => hostIn(url) === host)) {
    return [{ level: 'ok', what: `${name} leads to a proxy of ours that runs`, fix: '' }]
  }
  return [
    {
      level: 'warn',
      what: `${name} leads to ${visibleLine(host)}, which is no proxy of ours`,
      fix: `porthole run puts its own in its place; to go on through that one: --upstream-proxy "$${name}"`,
    },
  ]
}

/** `where` names a variable or a setting. */
function baseUrlFindings(
  where: string,
  value: string,
  { allow, proxyUrls }: Pick<Surroundings, 'allow' | 'proxyUrls'>,
): Finding[] {
  const url = URL.parse(value) ?? URL.parse(`http://${value}`)
  if (url === null) return []
  if (proxyUrls.some((ours) => URL.parse(ours)?.host === url.host)) {
    return [{ level: 'ok', what: `${visibleLine(where)} leads to a proxy of ours`, fix: '' }]
  }
  const parsed = parseHost(url.hostname)
  const host = parsed.ok ? parsed.host : url.hostname
  const isAllowed = allow.some((pattern) =>
    pattern.wildcard ? host.endsWith(`.${pattern.host}`) : host === pattern.host,
  )
  if (isAllowed) return []
  const isLocal = host === 'localhost' || host === '::1' || host.startsWith('127.')
  const shown = visibleLine(url.host)
  return [
    {
      level: 'warn',
      what: `${visibleLine(where)} leads to ${shown}, ${isLocal ? 'past any proxy' : 'which is not decrypted'}`,
      fix: isLocal
        ? 'unset it, or serve that upstream with --route NAME=URL'
        : `unset it, or add --allow ${shown}`,
    },
  ]
}

/** Of `settings.json` of Claude Code: its `env` beats the environment. Any text is taken. */
export function claudeFindings(path: string, text: string, surroundings: Surroundings): Finding[] {
  let env: unknown
  try {
    const settings: unknown = JSON.parse(text)
    env = isRecord(settings) ? settings['env'] : undefined
  } catch {
    const what = `${visibleLine(path)} is no JSON`
    return [{ level: 'warn', what, fix: 'Claude Code may not read it either: repair it' }]
  }
  if (!isRecord(env)) return []
  const overriding = /^(?:https?_proxy|no_proxy|node_extra_ca_certs|ssl_cert_file)$/iu
  return Object.entries(env).flatMap(([name, value]): Finding[] => {
    if (typeof value !== 'string' || value === '') return []
    const where = `env.${name} in ${path}`
    if (baseUrlName.test(name)) return baseUrlFindings(where, value, surroundings)
    if (!overriding.test(name)) return []
    const what = `${visibleLine(where)} takes the place of what porthole run sets`
    return [{ level: 'warn', what, fix: 'take it out of that file while you look' }]
  })
}

/** Of `config.toml` of Codex: providers with addresses of their own. Any text is taken. */
export function codexFindings(path: string, text: string, surroundings: Surroundings): Finding[] {
  // Whole TOML is not needed to find a line that begins so.
  const line = /^[ \t]*(\w*base_url)[ \t]*=[ \t]*["']([^"'\n]{1,500})["']/gmu
  return [...text.matchAll(line)].flatMap(([, name = '', value = '']) =>
    baseUrlFindings(`${name} in ${path}`, value, surroundings),
  )
}

function hostIn(address: string): string {
  return (URL.parse(address) ?? URL.parse(`http://${address}`))?.host ?? ''
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
