/** The hosts of known model providers: presets of the allowlist, and what a CA may vouch for. */

import { bedrockHosts, vertexHosts } from './regional-hosts.ts'

export const hostPresets = {
  openai: ['api.openai.com', 'files.openai.com'],
  anthropic: ['api.anthropic.com'],
  gemini: [
    'generativelanguage.googleapis.com',
    'cloudcode-pa.googleapis.com',
    'aiplatform.googleapis.com',
  ],
} as const

const otherProviders = [
  'api.cohere.ai',
  'api.cohere.com',
  'api.deepseek.com',
  'api.fireworks.ai',
  'api.githubcopilot.com',
  'api.business.githubcopilot.com',
  'api.enterprise.githubcopilot.com',
  'api.individual.githubcopilot.com',
  'api.groq.com',
  'api.mistral.ai',
  'api.moonshot.ai',
  'api.perplexity.ai',
  'api.replicate.com',
  'api.together.xyz',
  'api.voyageai.com',
  'api.writer.com',
  'api.cerebras.ai',
  'api.x.ai',
  'chatgpt.com',
  'opencode.ai',
  'openrouter.ai',
  'router.huggingface.co',
] as const

/** Every built-in provider host that is not of one region, as host patterns. */
const llmHosts: readonly string[] = [
  ...hostPresets.openai,
  ...hostPresets.anthropic,
  ...hostPresets.gemini,
  ...otherProviders,
]

/** Every built-in provider host, as host patterns: what a new CA may vouch for. */
export const providerHosts: readonly string[] = [
  ...new Set([...llmHosts, ...bedrockHosts, ...vertexHosts]),
]

export const presetNames = ['openai', 'anthropic', 'gemini', 'bedrock', 'vertex', 'llm'] as const
export type PresetName = (typeof presetNames)[number]

/**
 * The regions are presets of their own: `llm` stays what a CA made by an earlier version can vouch
 * for.
 */
export function presetHosts(name: PresetName): readonly string[] {
  if (name === 'llm') return llmHosts
  if (name === 'bedrock') return bedrockHosts
  return name === 'vertex' ? vertexHosts : hostPresets[name]
}

export const defaultAllow: readonly string[] = hostPresets.openai
