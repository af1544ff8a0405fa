/** Whose host is whose, as data. The names are those of the price tables where these have one. */
const hosts: ReadonlyArray<{ readonly host: RegExp; readonly provider: string }> = [
  { host: /(?:^|\.)api\.openai\.com$/u, provider: 'openai' },
  { host: /(?:^|\.)chatgpt\.com$/u, provider: 'openai' },
  { host: /^api\.anthropic\.com$/u, provider: 'anthropic' },
  {
    host: /\.(?:openai\.azure\.com|services\.ai\.azure\.com|cognitiveservices\.azure\.com)$/u,
    provider: 'azure',
  },
  { host: /^(?:.*\.)?(?:amazonaws\.com|api\.aws)$/u, provider: 'aws' },
  { host: /(?:^|\.)googleapis\.com$/u, provider: 'google' },
  { host: /^api\.groq\.com$/u, provider: 'groq' },
  { host: /^(?:api|codestral)\.mistral\.ai$/u, provider: 'mistral' },
  { host: /^api\.together\.(?:xyz|ai)$/u, provider: 'together' },
  { host: /^api\.deepseek\.com$/u, provider: 'deepseek' },
  { host: /^api\.x\.ai$/u, provider: 'x-ai' },
  { host: /^openrouter\.ai$/u, provider: 'openrouter' },
  {
    host: /(?:^|\.)(?:githubcopilot\.com|copilot-proxy\.githubusercontent\.com)$/u,
    provider: 'github-copilot',
  },
  { host: /^api\.cohere\.(?:ai|com)$/u, provider: 'cohere' },
  { host: /^(?:.*\.)?ollama\.com$/u, provider: 'ollama' },
  { host: /^api\.perplexity\.ai$/u, provider: 'perplexity' },
  { host: /^api\.fireworks\.ai$/u, provider: 'fireworks' },
  { host: /^api\.cerebras\.ai$/u, provider: 'cerebras' },
  { host: /^api\.moonshot\.(?:ai|cn)$/u, provider: 'moonshotai' },
  { host: /(?:^|\.)writer\.com$/u, provider: 'writer' },
  { host: /^api\.voyageai\.com$/u, provider: 'voyageai' },
  { host: /^api\.replicate\.com$/u, provider: 'replicate' },
  { host: /^router\.huggingface\.co$/u, provider: 'huggingface' },
  { host: /^models\.github\.ai$/u, provider: 'github-models' },
]

/**
 * The provider's name; else the one that the wire format names, for servers that stand on any host;
 * else the host itself. `host` may carry a port.
 */
export function providerOf(host: string, byWire?: string): string {
  return knownProvider(host) ?? byWire ?? host
}

/** The provider that the host belongs to, if it is one of the table. */
export function knownProvider(host: string): string | undefined {
  const name = host.toLowerCase().replace(/:\d+$/u, '')
  return hosts.find((row) => row.host.test(name))?.provider
}
