/**
 * What a call cost by the provider's own word. Only fields whose unit is documented are believed: a
 * number that is called `cost` may be in credits, in cents or in another currency.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { isRecord, recordOf } from '../wire/json.ts'

/** Dollars, of `usage` and the answer that holds it; undefined if neither says. */
export function reportedUsdIn(answer: JsonRecord, usage: JsonRecord): number | undefined {
  // Perplexity: dollars, with the fee for the search.
  if (isRecord(usage['cost'])) return amountOf(usage['cost']['total_cost'])
  // xAI: ticks of 10⁻¹⁰ dollars.
  const ticks = amountOf(usage['cost_in_usd_ticks'])
  if (ticks !== undefined) return ticks / 1e10
  // OpenRouter names the provider that it chose. Its credits are dollars.
  const credits = amountOf(usage['cost'])
  if (credits === undefined || typeof answer['provider'] !== 'string') return undefined
  if (usage['is_byok'] !== true) return credits
  // With the user's own key the credits are a fee, and the rest is paid to that provider.
  const upstream = amountOf(recordOf(usage['cost_details'])['upstream_inference_cost'])
  return upstream === undefined ? undefined : credits + upstream
}

function amountOf(value: Json | undefined): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}
