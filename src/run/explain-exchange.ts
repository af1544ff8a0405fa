/**
 * Why an exchange went as it did, from what was told of it: who sent it, whether it was read, which
 * rules and budgets had a say, what was put into it, how it ended. Each step is one line, in the
 * order in which decisions are taken. Nothing is made up: what was not recorded is left out, or said
 * to be missing.
 */
import type { AnalysisMsg, MsgKind, MsgOf } from '../messages/schema.ts'
import { sentTokens } from '../messages/sent-tokens.ts'
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPlural,
  formatUsd,
  formatWireText,
} from './amounts.ts'

export interface ExplainedStep {
  readonly topic:
    | 'who'
    | 'what'
    | 'read'
    | 'rules'
    | 'budget'
    | 'credentials'
    | 'tokens'
    | 'secrets'
    | 'addresses'
    | 'call'
    | 'end'
  /** One line, safe to print. */
  readonly text: string
}

export interface ToldExchange {
  readonly messages: readonly AnalysisMsg[]
  readonly connection: readonly AnalysisMsg[]
}

/** Steps in order; a topic may have several. */
export function explainExchange(told: ToldExchange): ExplainedStep[] {
  const all = [...told.connection, ...told.messages].toSorted((a, b) => a.seq - b.seq)
  const steps: ExplainedStep[] = []
  const say = (topic: ExplainedStep['topic'], texts: readonly string[]): void => {
    for (const text of texts) steps.push({ topic, text })
  }
  say('who', [describeClient(all)])
  say('what', describeTarget(all))
  say('read', describeReading(all))
  say('rules', describeRules(all))
  say('budget', describeBudgets(all))
  say('credentials', describeCredentials(all))
  say('tokens', describeTokens(all))
  say('secrets', of(all, 'secret-withheld').map(describeWithheld))
  say('addresses', describeAddresses(all))
  const isRefused = of(all, 'request-refused').length > 0
  say('call', isRefused ? [] : of(all, 'model-answered').map(describeCall))
  say('end', describeEnd(all))
  return steps
}

function describeClient(all: readonly AnalysisMsg[]): string {
  const agent = all.find((msg) => msg.agent !== undefined)?.agent
  const [opened] = of(all, 'connection-opened')
  const from = opened === undefined ? '' : `, from ${wire(opened.clientAddress)}`
  if (agent !== undefined) return `the agent ${wire(agent)}${from}`
  const isStranger = of(all, 'connection-refused').some(
    ({ reason }) => reason === 'unauthenticated',
  )
  return `${isStranger ? 'nobody known: it came without a token that is valid' : 'a client without a name: no token was demanded'}${from}`
}

function describeTarget(all: readonly AnalysisMsg[]): string[] {
  const [started] = of(all, 'request-started')
  if (started !== undefined) {
    return [`${wire(started.method)} ${formatWireText(started.url, 300)} at ${moment(started.at)}`]
  }
  const [refused] = of(all, 'connection-refused')
  const place = all.find((msg) => 'host' in msg && msg.host !== undefined) ?? refused ?? all[0]
  if (place === undefined) return []
  const host = 'host' in place ? wire(place.host ?? '') : ''
  const port = 'port' in place && place.port !== undefined ? `:${place.port}` : ''
  const path = formatWireText(refused?.path ?? '', 160)
  const what = refused?.method === undefined ? 'a connection' : `a ${wire(refused.method)} request`
  return [`${what}${host === '' ? '' : ` to ${host}${port}${path}`} at ${moment(place.at)}`]
}

const tunnelReasons: Readonly<Record<MsgOf<'tunnel-opened'>['reason'], string>> = {
  'not-allowlisted': 'its host is not on the allowlist',
  'client-rejects-ca': 'the program rejected our certificate for this host before',
  'ca-unavailable': 'there was no certificate authority to decrypt it with',
  rule: 'a rule says so',
}

function describeReading(all: readonly AnalysisMsg[]): string[] {
  const [tunnel] = of(all, 'tunnel-opened')
  if (tunnel !== undefined) return [`no, it passed as a tunnel: ${tunnelReasons[tunnel.reason]}`]
  const failures = of(all, 'tls-failed').map(
    ({ side, code, hint }) => `TLS with the ${side} failed: ${wire(code)}; ${wire(hint)}`,
  )
  const [started] = of(all, 'request-started')
  if (started === undefined) return failures
  return [`yes: ${wire(started.host)} is on the allowlist, or a route leads there`, ...failures]
}

const effects: Readonly<Record<string, string>> = {
  block: 'it blocks the request',
  allow: 'it allows the request',
  limit: 'nothing is left of what it allows',
  observe: 'it only watches',
}

/** Of rules on trial, which decide nothing. */
const effectsOnTrial: Readonly<Record<string, string>> = {
  block: 'it would block the request',
  allow: 'it would allow the request',
  limit: 'it would refuse the request: nothing is left of what it allows',
  observe: 'it only watches',
}

function describeRules(all: readonly AnalysisMsg[]): string[] {
  const matched = of(all, 'rule-matched').map(describeRule)
  const byDefault = [
    ...of(all, 'request-refused').filter(({ reason }) => reason.includes('default')),
    ...of(all, 'connection-refused').filter(({ code = '' }) => code.includes('default')),
  ]
  if (matched.length > 0 || byDefault.length > 0) {
    return [
      ...matched,
      ...byDefault.map(() => 'no rule allows it, and what no rule allows is blocked'),
    ]
  }
  const isAsked = all.some(({ kind }) => kind === 'request-started')
  return isAsked && of(all, 'budget-exceeded').length === 0 ? ['no rule had a say'] : []
}

function describeRule(msg: MsgOf<'rule-matched' | 'budget-exceeded'>): string {
  const isOnTrial = msg.mode === 'observe'
  const effect = (isOnTrial ? effectsOnTrial : effects)[msg.decision] ?? wire(msg.decision)
  const isTrialNews = isOnTrial && msg.decision !== 'observe'
  return `${wire(msg.rule)}: ${effect}${isTrialNews ? ' (told only: the rule is on trial)' : ''}`
}

function describeBudgets(all: readonly AnalysisMsg[]): string[] {
  return of(all, 'budget-exceeded').map(
    ({ rule, mode }) =>
      `${wire(rule)}: it is used up${mode === 'observe' ? ' (told only: the rule is on trial)' : ''}`,
  )
}

function describeCredentials(all: readonly AnalysisMsg[]): string[] {
  return [
    ...of(all, 'credential-injected').map(
      ({ secretId, location }) => `the secret ${wire(secretId)} was put into ${wire(location)}`,
    ),
    ...of(all, 'credential-echoed').map(
      ({ secretId, where, name }) =>
        `${secretId === undefined ? 'a credential' : `the secret ${wire(secretId)}`} came back in the answer's ` +
        `${where}${name === undefined ? '' : ` ${wire(name)}`}: the program got it, here it is masked`,
    ),
  ]
}

function describeWithheld({ secretId, where }: MsgOf<'secret-withheld'>): string {
  return `the value of ${wire(secretId)} stood in a ${wire(where)}, and is masked there`
}

const strippedReasons: Readonly<Record<string, string>> = {
  host: 'it is not for this host',
  path: 'it is not for this path',
  agent: 'it is not for this agent',
  expired: 'it has expired',
  revoked: 'it was revoked',
  'plain-http': 'the request is not encrypted',
  unknown: 'it is none that this vault knows',
}

function describeTokens(all: readonly AnalysisMsg[]): string[] {
  return [
    ...of(all, 'token-replaced').map(
      ({ secretId, location }) =>
        `a token in ${wire(location)} was replaced by the secret ${wire(secretId)}`,
    ),
    ...of(all, 'token-stripped').map(
      ({ secretId, location, reason }) =>
        `a token for the secret ${wire(secretId)} in ${wire(location)} was taken out` +
        (reason === undefined ? '' : `: ${strippedReasons[reason] ?? wire(reason)}`),
    ),
  ]
}

function describeAddresses(all: readonly AnalysisMsg[]): string[] {
  const denied = [
    ...of(all, 'connection-refused').filter(({ reason }) => reason === 'address-denied'),
    ...of(all, 'exchange-failed').filter(({ code }) => code === 'address-denied'),
  ].map(({ message }) => message)
  const deniedUnread = of(all, 'tunnel-closed')
    .filter(({ code }) => code === 'address-denied')
    .map(({ error }) => error)
  if (denied.length + deniedUnread.length > 0) {
    return [...denied, ...deniedUnread].map(
      (reason) => `refused by the address guard: ${wire(reason ?? 'no reason was told')}`,
    )
  }
  // A plain request that passes unread is told as a tunnel before anything is dialled.
  const isTunnelled =
    of(all, 'tunnel-opened').length > 0 &&
    of(all, 'tunnel-closed').every(
      ({ error, bytesUp, bytesDown }) => error === undefined || bytesUp + bytesDown > 0,
    )
  const isThrough = of(all, 'response-started').length > 0 || isTunnelled
  return isThrough ? ['the address guard let it pass'] : []
}

function describeCall(msg: MsgOf<'model-answered'>): string {
  const { usage, cost, error } = msg
  const estimated = usage?.source === 'estimated' ? ' (estimated)' : ''
  const tokens =
    usage === undefined
      ? 'tokens unknown'
      : `${formatPlural(sentTokens(usage), 'token')} sent and ${formatCount(usage.outputTokens)} answered${estimated}`
  return [
    `${wire(msg.model ?? 'an unnamed model')} of ${wire(msg.provider)}`,
    tokens,
    cost?.usd === undefined ? 'cost unknown' : formatUsd(cost.usd),
    ...(error === undefined ? [] : [`${wire(error.type)}: ${formatWireText(error.message, 300)}`]),
  ].join(', ')
}

function describeEnd(all: readonly AnalysisMsg[]): string[] {
  const isRefused = of(all, 'request-refused').length > 0
  const texts = [
    ...of(all, 'connection-refused').map(
      ({ status, reason, code, rule, message }) =>
        `refused with ${status} (${wire(code ?? reason)}${rule === undefined ? '' : `, rule ${wire(rule)}`})` +
        (message === undefined ? '' : `: ${formatWireText(message, 500)}`),
    ),
    ...of(all, 'request-refused').map(
      ({ status, reason, message, rule }) =>
        `refused with ${status} (${wire(reason)}${rule === undefined ? '' : `, rule ${wire(rule)}`})` +
        (message === undefined ? '' : `: ${formatWireText(message, 500)}`),
    ),
    ...of(all, 'exchange-failed').map(
      ({ by, phase, code, message, durationMs }) =>
        `failed by the ${by} while ${phases[phase]}, after ${formatDuration(durationMs)} (${wire(code)})` +
        (message === undefined ? '' : `: ${formatWireText(message, 300)}`),
    ),
    ...(isRefused ? [] : of(all, 'exchange-completed')).map(
      ({ status, requestBytes, responseBytes, durationMs }) =>
        `completed with ${status} in ${formatDuration(durationMs)}: ${formatBytes(requestBytes)} up, ` +
        `${formatBytes(responseBytes)} down`,
    ),
    ...of(all, 'tunnel-closed').map(
      ({ bytesUp, bytesDown, durationMs, error }) =>
        `closed after ${formatDuration(durationMs)}: ${formatBytes(bytesUp)} up, ${formatBytes(bytesDown)} down` +
        (error === undefined ? '' : `; ${formatWireText(error, 300)}`),
    ),
  ]
  return texts.length > 0 ? texts : ['it had not ended when the capture was read']
}

const phases: Readonly<Record<MsgOf<'exchange-failed'>['phase'], string>> = {
  request: 'the request was sent',
  connect: 'connecting',
  waiting: 'waiting for the answer',
  response: 'the answer was sent',
}

function of<K extends MsgKind>(all: readonly AnalysisMsg[], kind: K): Array<MsgOf<K>> {
  return all.filter((msg): msg is MsgOf<K> => msg.kind === kind)
}

function wire(text: string): string {
  return formatWireText(text, 160)
}

/** UTC, to the second. */
function moment(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`
}
