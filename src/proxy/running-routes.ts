/** The routes of a running proxy, as whoever started it is told of them. Pure. */
import { formatReverseRoute } from './reverse-routes.ts'
import type { ReverseRoute, ReverseRoutes } from './reverse-routes.ts'
import type { RouteCredentials } from './route-auth.ts'
import type { RouteTokens } from './session-token.ts'

/** A base URL that leads to an upstream. */
export interface RunningRoute {
  readonly name: string
  readonly url: string
  readonly upstream: string
  /** Stands in the place of the API key, where there was a credential for the upstream at the start. */
  readonly token: string | undefined
}

/** `url`: of the listener. Throws where it cannot be known which credentials there are. */
export function runningRoutes(
  plan: {
    readonly routes: ReverseRoutes
    readonly routeCredentials: RouteCredentials | undefined
  },
  url: string,
  tokens: RouteTokens,
): readonly RunningRoute[] {
  return [...plan.routes.values()].map((route) => ({
    name: route.name,
    url: `${url}/${route.name}`,
    upstream: formatReverseRoute(route),
    token: hasCredential(route, plan.routeCredentials) ? tokens.get(route.name)?.token : undefined,
  }))
}

/** Whether those who come by the route's own token get a credential there, as of now. */
function hasCredential(
  { destination, basePath }: ReverseRoute,
  credentials: RouteCredentials | undefined,
): boolean {
  if (credentials === undefined || destination.scheme !== 'https') return false
  const { host, port } = destination.authority
  return credentials.places.placesFor({ host, port, basePath }, credentials.agent).length > 0
}
