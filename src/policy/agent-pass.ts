/**
 * Who may use the proxy, as the traffic plane asks for it. It knows neither tokens nor where agents
 * are kept; hashes come in, a pass goes out. Types alone.
 */
import type { Authority } from './authority.ts'

/** Goes with a connection for as long as that lives; its answers follow what becomes of the agent. */
export interface AgentPass {
  readonly agent: string
  /** False once the token was revoked or replaced, or has expired. */
  isValid(): boolean
  /** Whether the agent may speak to it at all; `schemePort` is 443 or 80. */
  mayReach(authority: Authority, schemePort: 80 | 443): boolean
}

export interface AgentDirectory {
  /** True as soon as nobody is let in without a token; also where that cannot be known. */
  demandsToken(): boolean
  /** The agent whose token has one of these SHA-256 hashes; compared in constant time. */
  find(hashes: readonly Buffer[]): AgentPass | undefined
  /** `listener` is called within a second of a change, or of an expiry. Returns what ends that. */
  subscribe(listener: () => void): () => void
}
