/** The public API. */
export { AppError } from './base/errors.ts'
export type { ErrorCode } from './base/errors.ts'
export { PortholeBuilder } from './builder.ts'
export type { RuleOptions } from './builder.ts'
export type { Porthole, PortholeStats, RunningPorthole } from './porthole.ts'
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
  BodyTransform,
  Emit,
  HeaderList,
  MessageTransform,
  OutgoingConnection,
  OutgoingRequest,
  Refusal,
  SocketMessage,
} from './pipeline/analyzer.ts'
export { BodyUnavailable } from './pipeline/body-unavailable.ts'
export { RequestRefused } from './pipeline/request-refused.ts'
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
  TokenReplacer,
  WebSocketCalls,
} from '../analyzers/index.ts'
export type {
  FileLoggerOptions,
  OwnKeys,
  RuleEnforcerOptions,
  StaticCredential,
  TokenReplacerOptions,
} from '../analyzers/index.ts'
export { openVault } from './vault/open-vault.ts'
export type { Vault, VaultOptions } from './vault/vault.ts'
export type { AuditEntry, DrainedAudit } from './audit/audit-feed.ts'
export { auditJsonSchema, auditRowSchema } from './audit/audit-row.ts'
export type { AuditRow } from './audit/audit-row.ts'
export type { AgentDirectory, AgentPass } from './policy/agent-pass.ts'
export type { AuditSink, Decision, DecisionLog, Outcome } from './policy/decision-log.ts'
export type { Exhausted, Meter, MeteredRequest } from './policy/rules/meter.ts'
export { combineRules } from './policy/rules/rule-sources.ts'
export type { RulePart } from './policy/rules/rule-sources.ts'
export type { Rule, RuleSet, RuleSource } from './policy/rules/rule.ts'
export { StarpodTokens } from './policy/tokens/starpod-tokens.ts'
export type {
  TokenLookup,
  TokenRequest,
  TokenSource,
  TokenVerdict,
} from './policy/tokens/token-source.ts'
export type { CredentialPlaces, CredentialSource, SelectedCredential } from './policy/credential.ts'
export type { MitmModule } from './proxy/mitm-module.ts'
export type { RunningRoute } from './proxy/running-routes.ts'
