/** The catalogue of built-in analyzers. */
import type { Analyzer } from '../src/pipeline/analyzer.ts'
import { ApiOperations } from './api-operations.ts'
import { Conversations } from './conversations.ts'
import { HttpParser } from './http-parser.ts'
import { McpCalls } from './mcp-calls.ts'
import { ModelCalls } from './model-calls.ts'
import type { PriceList } from './providers/price-list.ts'
import { SseMerger } from './sse-merger.ts'
import { WebSocketCalls } from './websocket-calls.ts'

export { CredentialInjector } from './credential-injector.ts'
export type { StaticCredential } from './credential-injector.ts'
export { FileLogger } from './file-logger.ts'
export type { FileLoggerOptions } from './file-logger.ts'
export { RuleEnforcer } from './rule-enforcer.ts'
export type { RuleEnforcerOptions } from './rule-enforcer.ts'
export { parsePriceList } from './providers/price-list.ts'
export type { PriceList } from './providers/price-list.ts'
export { ApiOperations, Conversations, HttpParser, McpCalls, ModelCalls, SseMerger, WebSocketCalls }

export interface DefaultAnalyzersOptions {
  /** The user's own prices, as `parsePriceList` reads them; they go before the built-in tables. */
  readonly prices?: PriceList | undefined
}

/** A new chain of those that make sense of traffic, in the order in which they must stand. */
export function defaultAnalyzers(options: DefaultAnalyzersOptions = {}): Analyzer[] {
  return [
    new HttpParser(),
    new SseMerger(),
    new ModelCalls(options),
    new WebSocketCalls(options),
    new Conversations(),
    new ApiOperations(),
    new McpCalls(),
  ]
}
