/**
 * The environment variables in which keys of known providers usually stand, by host. Captures hold
 * no keys: a command that is to run again must name where it takes them from. A capture may come from
 * anybody, so that a usual name is given to its own provider alone, over TLS: what a stranger's host
 * is to get has a name that no other program uses.
 */

const known: ReadonlyArray<readonly [host: RegExp, variable: string]> = [
  [/(?:^|\.)openai\.azure\.com$/u, 'AZURE_OPENAI_API_KEY'],
  [/(?:^|\.)openai\.com$/u, 'OPENAI_API_KEY'],
  [/(?:^|\.)anthropic\.com$/u, 'ANTHROPIC_API_KEY'],
  [/^generativelanguage\.googleapis\.com$/u, 'GEMINI_API_KEY'],
  [/(?:^|\.)cohere\.(?:com|ai)$/u, 'CO_API_KEY'],
  [/(?:^|\.)githubcopilot\.com$/u, 'GITHUB_TOKEN'],
  [/(?:^|\.)replicate\.com$/u, 'REPLICATE_API_TOKEN'],
  [/(?:^|\.)together\.xyz$/u, 'TOGETHER_API_KEY'],
  [/(?:^|\.)voyageai\.com$/u, 'VOYAGE_API_KEY'],
  [/^api\.x\.ai$/u, 'XAI_API_KEY'],
  [/^api\.cerebras\.ai$/u, 'CEREBRAS_API_KEY'],
  [/^api\.deepseek\.com$/u, 'DEEPSEEK_API_KEY'],
  [/^api\.fireworks\.ai$/u, 'FIREWORKS_API_KEY'],
  [/^api\.groq\.com$/u, 'GROQ_API_KEY'],
  [/^api\.mistral\.ai$/u, 'MISTRAL_API_KEY'],
  [/^api\.moonshot\.ai$/u, 'MOONSHOT_API_KEY'],
  [/^api\.perplexity\.ai$/u, 'PERPLEXITY_API_KEY'],
  [/^api\.writer\.com$/u, 'WRITER_API_KEY'],
  [/^openrouter\.ai$/u, 'OPENROUTER_API_KEY'],
  [/(?:^|\.)huggingface\.co$/u, 'HF_TOKEN'],
]

/** Fields and parameters in which a key of an interface stands. */
const keyNames = new Set(
  'authorization api-key apikey api_key x-api-key x-goog-api-key key access_token token'.split(' '),
)

/** `name` is that of a header field or a parameter; `isBearer` says how the key is given. */
export function secretVariable(url: string, name: string, isBearer: boolean): string {
  const [, scheme = '', host = ''] = /^(https?):\/\/(?:[^/?#]*@)?([^/?#]*)/iu.exec(url) ?? []
  const bare = host.toLowerCase().replace(/:443$/u, '')
  const isKey = keyNames.has(name.toLowerCase())
  if (isKey && scheme.toLowerCase() === 'https') {
    if (isBearer && /(?:^|\.)anthropic\.com$/u.test(bare)) return 'ANTHROPIC_AUTH_TOKEN'
    if (isBearer && /(?:^|\.)googleapis\.com$/u.test(bare)) return 'GOOGLE_ACCESS_TOKEN'
    const found = known.find(([pattern]) => pattern.test(bare))
    if (found !== undefined) return found[1]
  }
  return `PORTHOLE_${wordOf(bare)}_${isKey ? 'KEY' : wordOf(name)}`
}

function wordOf(text: string): string {
  return text
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/gu, '_')
    .slice(0, 60)
}
