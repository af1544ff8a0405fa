/** The public API. */
export { AppError } from './base/errors.ts'
export type { ErrorCode } from './base/errors.ts'
export { PortholeBuilder } from './builder.ts'
export type { RuleOptions } from './builder.ts'
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
export type {
  Analyzer,
  Emit,
  HeaderList,
  OutgoingConnection,
  OutgoingRequest,
  Refusal,
} from './pipeline/analyzer.ts'
export { BodyUnavailable } from './pipeline/body-unavailable.ts'
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
  RuleEnforcer,
  SseMerger,
  WebSocketCalls,
} from '../analyzers/index.ts'
export type {
  FileLoggerOptions,
  RuleEnforcerOptions,
  StaticCredential,
} from '../analyzers/index.ts'
export { openVault } from './vault/open-vault.ts'
export type { Vault, VaultOptions } from './vault/vault.ts'
export type { AgentDirectory, AgentPass } from './policy/agent-pass.ts'
export type { Exhausted, Meter, MeteredRequest } from './policy/rules/meter.ts'
export { combineRules } from './policy/rules/rule-sources.ts'
export type { RulePart } from './policy/rules/rule-sources.ts'
export type { Rule, RuleSet, RuleSource } from './policy/rules/rule.ts'
export type { CredentialSource, SelectedCredential } from './policy/credential.ts'
