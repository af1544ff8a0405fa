/** The hosts of known model providers: presets of the allowlist, and what a CA may vouch for. */

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

/** Every built-in provider host, as host patterns. */
export const providerHosts: readonly string[] = [
  ...hostPresets.openai,
  ...hostPresets.anthropic,
  ...hostPresets.gemini,
  ...otherProviders,
]

export const presetNames = ['openai', 'anthropic', 'gemini', 'llm'] as const
export type PresetName = (typeof presetNames)[number]

export function presetHosts(name: PresetName): readonly string[] {
  return name === 'llm' ? providerHosts : hostPresets[name]
}

export const defaultAllow: readonly string[] = hostPresets.openai
