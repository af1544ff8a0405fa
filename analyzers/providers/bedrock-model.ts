/**
 * Which model a path of Bedrock's runtime calls: `/model/{id}/…`, the id percent-encoded or not. An
 * id is a name (`anthropic.claude-…`), an inference profile (`us.anthropic.claude-…`) or an ARN; of
 * an ARN that names one of the two, the name is what counts.
 */
import type { CallTarget } from './model-wire.ts'

export function bedrockModel({ path }: CallTarget): string | undefined {
  const encoded = /\/model\/(.+)\/[^/]+$/u.exec(path)?.[1]
  if (encoded === undefined) return undefined
  const id = decoded(encoded)
  return /^arn:[^/]*:(?:inference-profile|foundation-model)\/(.+)$/u.exec(id)?.[1] ?? id
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // Not well-formed percent-encoding: the name as it was sent.
    return text
  }
}
