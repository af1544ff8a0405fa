/** The public API. */
export { AppError } from './base/errors.ts'
export type { ErrorCode } from './base/errors.ts'
export { PortholeBuilder } from './builder.ts'
export type { MitmModule, Porthole, PortholeStats, RunningPorthole } from './porthole.ts'
export { messageJsonSchema } from './messages/json-schema.ts'
export { analysisMsgSchema } from './messages/schema.ts'
export type {
  AnalysisMsg,
  AnalysisMsgDraft,
  HeaderPairs,
  MsgKind,
  MsgOf,
} from './messages/schema.ts'
export type { Analyzer, Emit, HeaderList, OutgoingRequest, Refusal } from './pipeline/analyzer.ts'
export {
  ApiOperations,
  Conversations,
  CredentialInjector,
  defaultAnalyzers,
  FileLogger,
  HttpParser,
  McpCalls,
  ModelCalls,
  parsePriceList,
  SseMerger,
  WebSocketCalls,
} from '../analyzers/index.ts'
export type { FileLoggerOptions, OwnKeys, StaticCredential } from '../analyzers/index.ts'
export { openVault } from './vault/open-vault.ts'
export type { Vault, VaultOptions } from './vault/vault.ts'
export type { AgentDirectory, AgentPass } from './policy/agent-pass.ts'
export type { CredentialPlaces, CredentialSource, SelectedCredential } from './policy/credential.ts'
export type { RunningRoute } from './proxy/running-routes.ts'
