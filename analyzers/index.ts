/** The catalogue of built-in analyzers. */
import type { Analyzer } from '../src/pipeline/analyzer.ts'
import { ApiOperations } from './api-operations.ts'
import { Conversations } from './conversations.ts'
import { HttpParser } from './http-parser.ts'
import { McpCalls } from './mcp-calls.ts'
import { ModelCalls } from './model-calls.ts'
import { SseMerger } from './sse-merger.ts'
import { WebSocketCalls } from './websocket-calls.ts'

export { CredentialInjector } from './credential-injector.ts'
export type { StaticCredential } from './credential-injector.ts'
export { FileLogger } from './file-logger.ts'
export type { FileLoggerOptions } from './file-logger.ts'
export { ApiOperations, Conversations, HttpParser, McpCalls, ModelCalls, SseMerger, WebSocketCalls }

/** A new chain of those that make sense of traffic, in the order in which they must stand. */
export function defaultAnalyzers(): Analyzer[] {
  return [
    new HttpParser(),
    new SseMerger(),
    new ModelCalls(),
    new WebSocketCalls(),
    new Conversations(),
    new ApiOperations(),
    new McpCalls(),
  ]
}
