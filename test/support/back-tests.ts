/** Recorded traffic for rules to be tried on, and rules as `porthole.json` has them. */
import { fileRules } from '../../src/config/file-rules.ts'
import type { RuleFields } from '../../src/config/rule-fields.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import type { RuleSource } from '../../src/policy/rules/rule.ts'
import { analyzedMessages } from './records.ts'
import type { ExchangeSpec } from './run-analyzers.ts'

export function ruleSource(
  fields: readonly RuleFields[],
  defaultAction: 'allow' | 'block',
): RuleSource {
  const set = { rules: fileRules(fields, 'porthole.json'), defaultAction: () => defaultAction }
  return { current: () => set }
}

export interface ChatCall {
  readonly model?: string
  /** Epoch milliseconds. */
  readonly at?: number
  readonly url?: string
  readonly method?: string
}

/** Calls of 1,100 tokens each, one after the other. */
export function chatMessages(calls: readonly ChatCall[]): AnalysisMsg[] {
  return calls.flatMap((call, index) => {
    const { at = index * 1000 } = call
    const messages = analyzedMessages([specOf(call, index)])
    return messages.map((msg): AnalysisMsg =>
      Object.assign(msg, { at, seq: index * 100 + msg.seq }),
    )
  })
}

function specOf({ model = 'gpt-4o', url, method }: ChatCall, index: number): ExchangeSpec {
  const answer = {
    id: `chatcmpl-${index}`,
    object: 'chat.completion',
    model,
    choices: [{ index: 0, message: { role: 'assistant', content: 'yes' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 },
  }
  const json = [['content-type', 'application/json']] as const
  return {
    exchangeId: `x${index}`,
    request: {
      method: method ?? 'POST',
      url: url ?? 'https://api.openai.com/v1/chat/completions',
      headers: json,
      body: Buffer.from(JSON.stringify({ model, messages: [{ role: 'user', content: 'is it?' }] })),
    },
    response: { status: 200, headers: json, body: Buffer.from(JSON.stringify(answer)) },
  }
}

export function tunnelMessages(hosts: readonly string[]): AnalysisMsg[] {
  return hosts.map((host, index) => ({
    v: 1,
    seq: index,
    at: index,
    kind: 'tunnel-opened',
    connectionId: `c${index}`,
    host,
    port: 443,
    reason: 'not-allowlisted',
  }))
}
