/** The catalogue of built-in analyzers. */
import type { Analyzer } from '../src/pipeline/analyzer.ts'
import { Conversations } from './conversations.ts'
import { HttpParser } from './http-parser.ts'
import { ModelCalls } from './model-calls.ts'
import { SseMerger } from './sse-merger.ts'

export { CredentialInjector } from './credential-injector.ts'
export type { StaticCredential } from './credential-injector.ts'
export { FileLogger } from './file-logger.ts'
export type { FileLoggerOptions } from './file-logger.ts'
export { Conversations, HttpParser, ModelCalls, SseMerger }

/** A new chain of those that make sense of traffic, in the order in which they must stand. */
export function defaultAnalyzers(): Analyzer[] {
  return [new HttpParser(), new SseMerger(), new ModelCalls(), new Conversations()]
}
