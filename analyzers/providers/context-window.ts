/** How many tokens a model can hold in its context, by the tables of genai-prices; never guessed. */
import { calcPrice } from '@pydantic/genai-prices'

/** Models are few; what strangers make up must not add up. */
const maxKnown = 512
const known = new Map<string, number | undefined>()

/** `provider` as `model-answered` names it. Undefined where the tables do not say. Never throws. */
export function contextWindowOf(
  provider: string | undefined,
  model: string | undefined,
): number | undefined {
  if (provider === undefined || model === undefined) return undefined
  const key = `${provider} ${model}`
  if (known.has(key)) return known.get(key)
  if (known.size >= maxKnown) known.clear()
  const tokens = lookUp(provider, model)
  known.set(key, tokens)
  return tokens
}

function lookUp(provider: string, model: string): number | undefined {
  try {
    // A host without a name of its own may be known to the tables by its address.
    const who = provider.includes('.')
      ? { providerApiUrl: `https://${provider}/` }
      : { providerId: provider }
    const window = calcPrice({}, model, who)?.model.context_window
    return window !== undefined && window > 0 ? window : undefined
  } catch {
    return undefined
  }
}
