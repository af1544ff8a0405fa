/**
 * A user's own prices, in the format of LiteLLM's `model_prices_and_context_window.json`: dollars per
 * token by model, or by `provider/model`. They go before the built-in tables; a model that the list
 * does not name keeps the built-in price.
 */
import { AppError, describeError } from '../../src/base/errors.ts'

/** Dollars per token by LiteLLM's key, such as `input_cost_per_token`. */
export type PriceRow = ReadonlyMap<string, number>

export interface PriceList {
  /** Named in `priceSource`. */
  readonly name: string
  readonly rows: ReadonlyMap<string, PriceRow>
}

/** Throws `ERR_PRICES_INVALID`. Fields that are no prices are left alone. */
export function parsePriceList(text: string, name: string): PriceList {
  const models = readObject(text, name)
  const rows = new Map<string, PriceRow>()
  for (const [model, value] of Object.entries(models)) {
    // The format's own documentation stands in the first row.
    if (model === 'sample_spec') continue
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalid(name, `${JSON.stringify(model)} is not an object`)
    }
    rows.set(model.toLowerCase(), readRow(value as Record<string, unknown>, model, name))
  }
  return { name, rows }
}

/** The row of `provider/model`, else of the model, else undefined. */
export function findPriceRow(
  list: PriceList,
  provider: string,
  model: string,
): PriceRow | undefined {
  const lower = model.toLowerCase()
  return list.rows.get(`${provider.toLowerCase()}/${lower}`) ?? list.rows.get(lower)
}

export interface PricedBy {
  /** Tokens of the whole prompt: long ones cost more. */
  readonly promptTokens: number
  /** Service tier as the provider names it, where it is not the plain one. */
  readonly tier: string | undefined
}

/** Dollars per token: of the tier if the row has it, and of the longest prompt step reached. */
export function priceFrom(row: PriceRow, key: string, by: PricedBy): number | undefined {
  const tiered = by.tier === undefined ? undefined : stepped(row, key, `_${by.tier}`, by)
  return tiered ?? stepped(row, key, '', by)
}

/** Whether the row tells the tier's own price: else what is computed is the plain one. */
export function hasTier(row: PriceRow, tier: string): boolean {
  return row.has(`input_cost_per_token_${tier}`)
}

function stepped(row: PriceRow, key: string, suffix: string, by: PricedBy): number | undefined {
  let best: { readonly above: number; readonly price: number } | undefined
  for (const [name, price] of row) {
    const step = stepName.exec(name)
    if (step === null || step[1] !== key || (step[3] ?? '') !== suffix) continue
    const above = Number(step[2]) * 1_000
    if (by.promptTokens > above && above > (best?.above ?? 0)) best = { above, price }
  }
  return best?.price ?? row.get(`${key}${suffix}`)
}

const stepName = /^(.+)_above_(\d{1,6})k_tokens(_[a-z]+)?$/u

function readRow(value: Record<string, unknown>, model: string, name: string): PriceRow {
  const row = new Map<string, number>()
  for (const [key, price] of Object.entries(value)) {
    if (!/_cost(?:_|$)/u.test(key) || price === null) continue
    if (typeof price === 'object') continue
    if (typeof price !== 'number' || !Number.isFinite(price) || price < 0) {
      throw invalid(name, `${key} of ${JSON.stringify(model)} is not a price`)
    }
    row.set(key, price)
  }
  return row
}

function readObject(text: string, name: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw invalid(name, describeError(error), error)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(name, 'it is not an object of models')
  }
  return value as Record<string, unknown>
}

function invalid(path: string, problem: string, cause?: unknown): AppError {
  return new AppError('ERR_PRICES_INVALID', { path, problem }, cause)
}
