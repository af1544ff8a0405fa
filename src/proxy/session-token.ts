/**
 * Tokens that live as long as a proxy does: 256 random bits. Those of routes stand in the place of
 * an API key, behind a prefix that scanners and `policy/own-token.ts` know, with a checksum as the
 * tokens of agents have it.
 */
import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

import { AppError } from '../base/errors.ts'
import { isLoopbackListener } from '../policy/address-guard.ts'
import type { AgentDirectory } from '../policy/agent-pass.ts'
import type { ProxyToken } from './client-auth.ts'
import type { ReverseRoutes } from './reverse-routes.ts'
import type { RouteCredentials } from './route-auth.ts'

/** By name of the route. */
export type RouteTokens = ReadonlyMap<string, ProxyToken>

/** The agent of a token that a proxy has made for itself. */
const sessionAgent = 'porthole-session'
const prefix = 'porthole_route_'

/** Kept in memory, and known to whoever it is given to. */
export function mintRouteToken(): string {
  const text = `${prefix}${randomBytes(32).toString('base64url')}`
  return `${text}${crc32(text).toString(16).padStart(8, '0')}`
}

/** For clients that know proxies. */
export function mintSessionToken(): string {
  return randomBytes(32).toString('base64url')
}

/**
 * The tokens of a proxy. Beyond this machine nobody is let in without one: where nobody has any, it
 * is made here. Throws `ERR_USAGE` where none is to be demanded there.
 */
export function tokensFor(plan: {
  readonly listen: { readonly host: string }
  readonly demand: 'auto' | 'off'
  readonly tokens: readonly ProxyToken[]
  readonly agents: AgentDirectory | undefined
}): ProxyToken[] {
  const { listen, demand, agents } = plan
  const tokens = [...plan.tokens]
  if (isLoopbackListener(listen.host)) return tokens
  if (demand === 'off') {
    const problem = `${listen.host} can be reached from other machines, and wants a token`
    const next = 'listen on 127.0.0.1, or leave authentication on'
    throw new AppError('ERR_USAGE', { problem, next })
  }
  if (tokens.length > 0 || agents?.demandsToken() === true) return tokens
  return [{ agent: sessionAgent, token: mintSessionToken() }]
}

/** One for each route, where credentials stand in the requests of any. */
export function mintRouteTokens(plan: {
  readonly routes: ReverseRoutes
  readonly routeCredentials: RouteCredentials | undefined
}): RouteTokens {
  if (plan.routeCredentials === undefined) return new Map()
  const { agent, pass } = plan.routeCredentials
  return new Map(
    [...plan.routes.keys()].map((name) => [name, { agent, pass, token: mintRouteToken() }]),
  )
}
