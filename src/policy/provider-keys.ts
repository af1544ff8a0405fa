/**
 * Where known providers take their key, and the environment variables in which their SDKs look for
 * it. Facts of 2026-11, from the providers' API references and SDKs.
 */

import type { InjectedLocation } from './credential.ts'

export interface ProviderKey {
  /** Host pattern. */
  readonly host: string
  /** Domains that are the provider's, where more of them are than `host`: it and all below it. */
  readonly domains?: readonly string[]
  /** As `--header` takes it. */
  readonly header: string
  /** Other places in which the provider takes the same key, and some of its clients send it. */
  readonly others?: readonly InjectedLocation[]
  /** The first is the one of the provider's own SDK. */
  readonly variables: readonly string[]
  /** Variables that would make an SDK sign in in another way beside the key. */
  readonly rivals?: readonly string[]
}

const bearer = 'Authorization: Bearer {}'
const asBearer: InjectedLocation = {
  type: 'header',
  name: 'Authorization',
  format: 'Bearer {}',
  ifPresent: false,
}

export const providerKeys: readonly ProviderKey[] = [
  {
    host: 'api.openai.com',
    domains: ['openai.com'],
    header: bearer,
    variables: ['OPENAI_API_KEY'],
  },
  { host: 'files.openai.com', header: bearer, variables: ['OPENAI_API_KEY'] },
  {
    host: 'api.anthropic.com',
    domains: ['anthropic.com'],
    header: 'x-api-key: {}',
    others: [asBearer],
    variables: ['ANTHROPIC_API_KEY'],
    rivals: ['ANTHROPIC_AUTH_TOKEN'],
  },
  {
    host: 'generativelanguage.googleapis.com',
    header: 'x-goog-api-key: {}',
    others: [{ type: 'query', name: 'key', ifPresent: false }],
    variables: ['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_GENERATIVE_AI_API_KEY'],
  },
  {
    host: '*.openai.azure.com',
    domains: ['openai.azure.com'],
    header: 'api-key: {}',
    others: [asBearer],
    variables: ['AZURE_OPENAI_API_KEY'],
  },
  { host: 'api.cerebras.ai', header: bearer, variables: ['CEREBRAS_API_KEY'] },
  {
    host: 'api.cohere.com',
    domains: ['cohere.com', 'cohere.ai'],
    header: bearer,
    variables: ['CO_API_KEY', 'COHERE_API_KEY'],
  },
  { host: 'api.deepseek.com', header: bearer, variables: ['DEEPSEEK_API_KEY'] },
  { host: 'api.fireworks.ai', header: bearer, variables: ['FIREWORKS_API_KEY'] },
  { host: 'api.groq.com', header: bearer, variables: ['GROQ_API_KEY'] },
  { host: 'api.mistral.ai', header: bearer, variables: ['MISTRAL_API_KEY'] },
  { host: 'api.moonshot.ai', header: bearer, variables: ['MOONSHOT_API_KEY'] },
  {
    host: 'api.perplexity.ai',
    header: bearer,
    variables: ['PERPLEXITY_API_KEY', 'PPLX_API_KEY'],
  },
  {
    host: 'api.replicate.com',
    domains: ['replicate.com'],
    header: bearer,
    variables: ['REPLICATE_API_TOKEN'],
  },
  {
    host: 'api.together.xyz',
    domains: ['together.xyz'],
    header: bearer,
    variables: ['TOGETHER_API_KEY'],
  },
  {
    host: 'api.voyageai.com',
    domains: ['voyageai.com'],
    header: bearer,
    variables: ['VOYAGE_API_KEY'],
  },
  { host: 'api.writer.com', header: bearer, variables: ['WRITER_API_KEY'] },
  { host: 'api.x.ai', header: bearer, variables: ['XAI_API_KEY'] },
  { host: 'openrouter.ai', header: bearer, variables: ['OPENROUTER_API_KEY'] },
  {
    host: 'router.huggingface.co',
    domains: ['huggingface.co'],
    header: bearer,
    variables: ['HF_TOKEN'],
  },
]

/** The row of a host, by its name or by a pattern that covers it. */
export function providerKeyOf(host: string): ProviderKey | undefined {
  return providerKeys.find((row) =>
    row.host.startsWith('*.')
      ? host === row.host || host.endsWith(row.host.slice(1))
      : host === row.host,
  )
}

/** The row of the provider that a host belongs to. */
export function providerOf(host: string): ProviderKey | undefined {
  return providerKeys.find((row) =>
    row.domains === undefined
      ? host === row.host
      : row.domains.some((domain) => host === domain || host.endsWith(`.${domain}`)),
  )
}

/** Where clients of a host may put a key for one of `places`, beside these: as its provider says. */
export function otherPlaces(
  host: string,
  places: readonly InjectedLocation[],
): readonly InjectedLocation[] {
  const row = providerKeyOf(host)
  if (row?.others === undefined) return []
  const usual = row.header.replace(/:.*$/su, '').toLowerCase()
  const isUsual = places.some(
    (place) => place.type === 'header' && place.name.toLowerCase() === usual,
  )
  return isUsual ? row.others : []
}
