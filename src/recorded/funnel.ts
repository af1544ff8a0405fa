/**
 * How far the traffic of a program came on its way to a model call that is seen: connected, asked
 * for a host, decrypted, understood, answered. Told from messages alone, for "why is nothing
 * showing": one step, one line, and what to do about it. Pure and bounded; takes any messages.
 */
import { visibleLine } from '../base/visible-text.ts'
import type { AnalysisMsg, MsgOf } from '../messages/schema.ts'
import { providerHosts } from '../policy/providers.ts'

/**
 * `no-connection`: nothing reached the proxy. `no-connect`: connected, and asked for nothing.
 * `refused`: the proxy turned it away. `tunnelled`: passed unread, for the allowlist or the CA says
 * so. `tls-rejected`: the client does not take the certificate. `upstream-failed`: no answer came.
 * `no-model-call`: read, but no endpoint of a model. `streaming`: a call that has not ended.
 * `model-call`: one was seen whole.
 */
export type FunnelStep =
  | 'no-connection'
  | 'no-connect'
  | 'refused'
  | 'tunnelled'
  | 'tls-rejected'
  | 'upstream-failed'
  | 'no-model-call'
  | 'streaming'
  | 'model-call'

export interface FunnelVerdict {
  readonly step: FunnelStep
  /** One line, safe to print. */
  readonly text: string
  /** What to do, one line, safe to print; empty where there is nothing to do. */
  readonly fix: string
  /** That the verdict is about, as an allowlist would name it: with its port where not the usual. */
  readonly host?: string | undefined
}

interface HostState {
  /** As `--allow` would name it. */
  name: string
  isProvider: boolean
  /** What stands between this host and a call that is seen; the newest of it. */
  trouble: (Pick<FunnelVerdict, 'text' | 'fix'> & { readonly step: FunnelStep }) | undefined
  /** Requests that were read. */
  requests: number
  /** The last of them, without its query. */
  path: string
}

/** Hosts, and things under way, that are remembered: a program could name endless ones. */
const memory = 512

export class Funnel {
  readonly #hosts = new Map<string, HostState>()
  /** Host of each exchange under way, by its id. */
  readonly #exchanges = new Map<string, string>()
  /** When each call under way began, by exchange and number, and its host. */
  readonly #calls = new Map<string, { readonly at: number; readonly host: string | undefined }>()
  #connections = 0
  readonly #refused = new Map<string, true>()
  #answered = 0
  #lastStatus: number | undefined

  /** Takes in one message, in order. Never throws. */
  take(msg: AnalysisMsg): void {
    switch (msg.kind) {
      case 'connection-opened':
        this.#connections += 1
        break
      case 'connection-refused':
        this.#refuse(msg)
        break
      case 'tunnel-opened':
        this.#trouble(msg.host, tunnelTrouble(msg), allowName(msg))
        break
      case 'tls-failed':
        this.#trouble(msg.host, tlsTrouble(msg))
        break
      case 'request-started':
        this.#request(msg)
        break
      case 'request-refused':
        this.#troubleOf(msg.exchangeId, refusal(msg))
        this.#calls.delete(`${msg.exchangeId ?? ''} 0`)
        if (msg.exchangeId !== undefined) remember(this.#refused, msg.exchangeId, true)
        break
      case 'exchange-failed':
        this.#fail(msg)
        break
      case 'exchange-completed':
        this.#exchanges.delete(msg.exchangeId ?? '')
        break
      default:
        this.#takeCall(msg)
    }
  }

  /** `now` in wall-clock milliseconds, as `at` of messages. */
  verdict(now: number): FunnelVerdict {
    if (this.#answered > 0) return seen(this.#answered, this.#lastStatus)
    const [running] = this.#calls.values()
    if (running !== undefined) return streaming(running, now)
    const ranked = [...this.#hosts.values()].toReversed().sort((a, b) => rankOf(a) - rankOf(b))
    const [first] = ranked
    if (first?.trouble !== undefined) {
      // What was refused may have named no host that can be read.
      return first.name === '' ? first.trouble : { ...first.trouble, host: first.name }
    }
    if (first !== undefined) return noModelCall(first, ranked)
    if (this.#connections > 0) return noConnect
    return noConnection
  }

  #takeCall(msg: AnalysisMsg): void {
    if (msg.kind !== 'model-called' && msg.kind !== 'model-answered') return
    const { exchangeId = '' } = msg
    if (this.#refused.has(exchangeId)) return
    const key = `${exchangeId} ${msg.call ?? 0}`
    if (msg.kind === 'model-called') {
      remember(this.#calls, key, { at: msg.at, host: this.#exchanges.get(exchangeId) })
      return
    }
    this.#calls.delete(key)
    // Without a status nothing was answered: the end of its exchange says why.
    if (msg.status === undefined && !msg.complete) return
    this.#answered += 1
    this.#lastStatus = msg.status
  }

  #request(msg: MsgOf<'request-started'>): void {
    const { host, pathname } = URL.parse(msg.url) ?? { host: msg.host, pathname: '' }
    const state = this.#hostState(msg.host, host === '' ? msg.host : host)
    state.requests += 1
    state.path = pathname
    // It gets through by now.
    state.trouble = undefined
    if (msg.exchangeId !== undefined) remember(this.#exchanges, msg.exchangeId, msg.host)
  }

  #refuse(msg: MsgOf<'connection-refused'>): void {
    const { host = '', port = 443 } = msg
    const trouble = refusal(msg)
    this.#trouble(host, trouble, host === '' ? '' : allowName({ host, port }))
  }

  #fail(msg: MsgOf<'exchange-failed'>): void {
    const { exchangeId = '', by, code, message = '' } = msg
    // A client that leaves has no trouble with its host.
    if (by !== 'client' && this.#hostOf(exchangeId)?.trouble === undefined) {
      const side = by === 'proxy' ? 'the proxy' : 'the upstream'
      this.#troubleOf(exchangeId, {
        step: 'upstream-failed',
        text: `a request was read, but ${side} failed: ${short(message === '' ? code : message)}`,
        fix: 'see whether the program reaches it without the proxy',
      })
    }
    this.#exchanges.delete(exchangeId)
  }

  #hostOf(exchangeId: string): HostState | undefined {
    return this.#hosts.get(this.#exchanges.get(exchangeId) ?? '\0')
  }

  #troubleOf(exchangeId: string | undefined, trouble: HostState['trouble']): void {
    const state = this.#hostOf(exchangeId ?? '')
    if (state !== undefined) state.trouble = trouble
  }

  #trouble(host: string, trouble: HostState['trouble'], name = host): void {
    this.#hostState(host, name).trouble = trouble
  }

  /** The state of a host, which is the newest from now on. */
  #hostState(host: string, name: string): HostState {
    const known = this.#hosts.get(host)
    const state = known ?? {
      name,
      isProvider: providerHosts.includes(host),
      trouble: undefined,
      requests: 0,
      path: '',
    }
    state.name = short(name)
    this.#hosts.delete(host)
    remember(this.#hosts, host, state)
    return state
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > memory && oldest !== undefined) map.delete(oldest)
}

/** The lower, the likelier it is what hides the call: a model's host above all others. */
function rankOf({ trouble, isProvider }: HostState): number {
  const order = ['tls-rejected', 'upstream-failed', 'refused', 'tunnelled']
  if (trouble === undefined) return order.length
  // Only what the user wants to see is decrypted at all, so that a failure there counts as much.
  const isWanted = isProvider || trouble.step === 'tls-rejected'
  return order.indexOf(trouble.step) + (isWanted ? 0 : order.length + 1)
}

const noConnection: FunnelVerdict = {
  step: 'no-connection',
  text: 'no program has connected to the proxy',
  fix: 'start it with porthole run -- CMD, or set HTTPS_PROXY for it; NO_PROXY, its own settings, or a base URL may lead it past the proxy',
}

const noConnect: FunnelVerdict = {
  step: 'no-connect',
  text: 'a program has connected, but asked for nothing yet',
  fix: 'it may be waiting, or not know that this is a proxy: give it the address as HTTPS_PROXY, not as a base URL',
}

function refusal({ status, message, reason, rule }: Refused): NonNullable<HostState['trouble']> {
  return {
    step: 'refused',
    text: `refused with ${status}: ${short(message ?? reason)}`,
    fix: refusalFix(status, rule),
  }
}

function refusalFix(status: number, rule: string | undefined): string {
  if (status === 407) {
    return 'use the whole proxy address with its user and token, as porthole run sets it'
  }
  if (rule !== undefined) return `porthole rules show ${short(rule)} tells what it concerns`
  return 'the refusal says why; a private address is opened by --allow-private'
}

type Refused = Pick<MsgOf<'connection-refused'>, 'status' | 'message' | 'rule'> & {
  readonly reason: string
}

function tunnelTrouble(msg: MsgOf<'tunnel-opened'>): NonNullable<HostState['trouble']> {
  const name = short(allowName(msg))
  const step = 'tunnelled'
  switch (msg.reason) {
    case 'not-allowlisted':
      return {
        step,
        text: `${name} passes unread: it is not on the allowlist`,
        fix: `to see it, add --allow ${name}`,
      }
    case 'client-rejects-ca':
      return {
        step,
        text: `${name} passes unread: its client has rejected the certificate before`,
        fix: 'make the client trust the certificate authority, then start the proxy again',
      }
    case 'ca-unavailable':
      return {
        step,
        text: `${name} passes unread: the certificate authority cannot be used`,
        fix: 'look with porthole ca status; a new one is made by porthole ca rotate',
      }
    case 'rule':
      return { step, text: `${name} passes unread: a rule says so`, fix: 'change that rule' }
  }
}

function tlsTrouble(msg: MsgOf<'tls-failed'>): NonNullable<HostState['trouble']> {
  const name = short(msg.host)
  const isClient = msg.side === 'client'
  return {
    step: isClient ? 'tls-rejected' : 'upstream-failed',
    text: isClient
      ? `the TLS handshake of the program for ${name} failed (${short(msg.code)})`
      : `TLS with ${name} failed (${short(msg.code)})`,
    fix: short(msg.hint, 400),
  }
}

function noModelCall(last: HostState, all: readonly HostState[]): FunnelVerdict {
  const unread = all.find(({ trouble }) => trouble?.step === 'tunnelled')?.name
  const fix =
    unread === undefined
      ? 'the calls may go to another host, or by another protocol than HTTP'
      : `if the model is behind ${unread}, which passes unread, add --allow ${unread}`
  return {
    step: 'no-model-call',
    text: `requests are read, but none was a model call; the last went to ${last.name}${short(last.path)}`,
    fix,
    host: last.name,
  }
}

function streaming(
  call: { readonly at: number; readonly host: string | undefined },
  now: number,
): FunnelVerdict {
  const seconds = Math.max(0, Math.round((now - call.at) / 1000))
  const to = call.host === undefined ? '' : ` to ${short(call.host)}`
  return {
    step: 'streaming',
    text: `a model call${to} has been under way for ${seconds} s`,
    fix: 'wait for its end',
    host: call.host === undefined ? undefined : short(call.host),
  }
}

function seen(count: number, lastStatus: number | undefined): FunnelVerdict {
  const isError = lastStatus !== undefined && lastStatus >= 400
  return {
    step: 'model-call',
    text:
      (count === 1 ? 'a model call was seen' : `${count} model calls were seen`) +
      (isError ? `; the last was answered with ${lastStatus}` : ''),
    fix: isError ? 'the answer says why: look at it in the viewer or the capture' : '',
  }
}

function allowName({ host, port }: { readonly host: string; readonly port: number }): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === 443 ? name : `${name}:${port}`
}

/** From the wire, and so made safe and short. */
function short(text: string, limit = 160): string {
  return visibleLine(text.length > limit ? `${text.slice(0, limit)}…` : text)
}
