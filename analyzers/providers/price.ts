/**
 * What a call cost, by the user's own prices and else by the dated tables of genai-prices, line by
 * line so that every dollar can be checked. An unknown model or provider stays unknown; it is never
 * free.
 */
import type { ModelPrice, PriceCalculation, Provider } from '@pydantic/genai-prices'
import { calcPrice } from '@pydantic/genai-prices'

import type { Cost } from '../../src/messages/schema.ts'
import { sentTokens } from '../../src/messages/sent-tokens.ts'
import { nameLength } from '../wire/bounds.ts'
import type { PriceList, PriceRow } from './price-list.ts'
import { findPriceRow, hasTier, priceFrom } from './price-list.ts'
import type { BesideUsage, ReportedUsage } from './usage.ts'

/** Name and version of the tables; a test holds it to the installed package. */
export const priceSource = '@pydantic/genai-prices 0.1.8'

/** Stands for the tables where the provider's answer says what it cost. */
export const reportedSource = 'reported by the provider'

export interface PricedCall {
  /** As `providerOf` names it. */
  readonly provider: string
  readonly model: string | undefined
  readonly usage: ReportedUsage
  /** Epoch milliseconds of the call: prices change. */
  readonly at: number
  /** The user's own prices, which go first. */
  readonly list?: PriceList | undefined
}

export function priceCall(call: PricedCall): Cost {
  const { reportedUsd } = call.usage.billing
  // Who sends the bill knows best.
  if (reportedUsd !== undefined) {
    return { usd: reportedUsd, confidence: 'exact', lines: [], priceSource: reportedSource }
  }
  const cost = priceByList(call) ?? priceByTables(call)
  const { beside } = call.usage.billing
  return beside === undefined ? cost : withBeside(cost, beside, call)
}

/** With what was billed beside it; if that is not known, neither is the whole. */
function withBeside(cost: Cost, beside: readonly BesideUsage[], call: PricedCall): Cost {
  const others = beside.map(({ name, model = call.model, usage }) => {
    const other = priceCall({ ...call, model, usage })
    const lines = other.lines.map((line) => ({ ...line, bucket: `${name}-${line.bucket}` }))
    return { ...other, lines }
  })
  const all = [cost, ...others]
  if (all.some(({ usd }) => usd === undefined)) return { confidence: 'unknown', lines: [] }
  return {
    ...cost,
    usd: all.reduce((sum, { usd = 0 }) => sum + usd, 0),
    confidence: all.every(({ confidence }) => confidence === 'exact') ? 'exact' : 'estimated',
    lines: all.flatMap(({ lines }) => lines),
  }
}

/** Undefined where the list does not name the model, or has no price for something that was used. */
function priceByList({ provider, model, usage, list }: PricedCall): Cost | undefined {
  const row =
    list === undefined || model === undefined ? undefined : findPriceRow(list, provider, model)
  if (list === undefined || row === undefined) return undefined
  const { usage: counts, billing } = usage
  const by = {
    promptTokens: sentTokens(counts),
    tier: billing.tier,
  }
  let isGuessed = false
  const lines = linesOf(usage, ({ listKeys, costsMore }) => {
    isGuessed ||= costsMore === true && perMillion(row, listKeys.slice(0, 1), by) === undefined
    return perMillion(row, listKeys, by)
  })
  if (lines === undefined) return undefined
  const knowsTier = billing.tier !== undefined && hasTier(row, billing.tier)
  const isExact = counts.source === 'reported' && !isGuessed && (!billing.isSpecial || knowsTier)
  return {
    usd: sumOf(lines),
    confidence: isExact ? 'exact' : 'estimated',
    lines,
    priceSource: list.name,
  }
}

function perMillion(
  row: PriceRow,
  keys: readonly string[],
  by: Parameters<typeof priceFrom>[2],
): number | undefined {
  const perToken = keys.map((key) => priceFrom(row, key, by)).find((price) => price !== undefined)
  // Prices are decimal fractions: their millionfold has no more digits than they have.
  return perToken === undefined ? undefined : Number((perToken * 1e6).toPrecision(12))
}

function priceByTables({ provider, model, usage, at }: PricedCall): Cost {
  // Looking for a name in the tables takes as long as the name is.
  const isName = model !== undefined && model.length <= nameLength
  const found = isName ? lookUp(provider, model, at, usage) : null
  if (found === null) return { confidence: 'unknown', lines: [] }
  const { usage: counts } = usage
  const allInput = sentTokens(counts)
  let isGuessed = false
  const lines = linesOf(usage, ({ keys, costsMore }) => {
    const rates = keys.map((key) => rateOf(found.model_price, key, allInput))
    isGuessed ||= costsMore === true && rates[0] === undefined
    return rates.find((rate) => rate !== undefined)
  })
  if (lines === undefined) return { confidence: 'unknown', lines: [] }
  const usd = sumOf(lines)
  const isExact = usage.usage.source === 'reported' && !usage.billing.isSpecial && !isGuessed
  const priceDate = dateOf(found)
  return {
    usd,
    confidence: isExact && agrees(usd, found, usage) ? 'exact' : 'estimated',
    lines,
    priceSource,
    ...(priceDate === undefined ? {} : { priceDate }),
  }
}

function lookUp(
  provider: string,
  model: string,
  at: number,
  usage: ReportedUsage,
): PriceCalculation | null {
  const key = `${provider} ${model}`
  const known = knownPlaces.get(key)
  if (known === null) return null
  try {
    const timestamp = new Date(at)
    const counts = libraryUsage(usage)
    if (known !== undefined) return calcPrice(counts, model, { provider: known, timestamp })
    // A host without a name of its own here may be known to the tables by its address.
    const who = provider.includes('.')
      ? { providerApiUrl: `https://${provider}/` }
      : { providerId: provider }
    const found = calcPrice(counts, model, { ...who, timestamp })
    const place = found === null ? null : { ...found.provider, models: [found.model] }
    const again = place && calcPrice(counts, model, { provider: place, timestamp })
    // The library takes some names apart: what is not found again at its place is looked up anew.
    if (again?.total_price === found?.total_price) remember(key, place)
    return found
  } catch {
    // The library objects to usage that it cannot split and to prices that it cannot date.
    return null
  }
}

/**
 * Where in the tables a model was found, or null where it is not: finding it is most of the work.
 * Emptied when it is full.
 */
const knownPlaces = new Map<string, Provider | null>()
const maxKnownPlaces = 512
/** Longer names are not kept. */
const keptKeyLength = 200

function remember(key: string, place: Provider | null): void {
  if (key.length > keptKeyLength) return
  if (knownPlaces.size >= maxKnownPlaces) knownPlaces.clear()
  knownPlaces.set(key, place)
}

/** The library counts inclusively: its input holds the cache, audio and all. */
function libraryUsage({ usage, billing }: ReportedUsage): Record<string, number> {
  return {
    input_tokens: sentTokens(usage),
    cache_read_tokens: usage.cacheReadTokens,
    cache_write_tokens: usage.cacheWriteTokens,
    cache_write_1h_tokens: billing.cacheWriteLongTokens,
    output_tokens: usage.outputTokens,
    ...(billing.inputAudioTokens > 0 ? { input_audio_tokens: billing.inputAudioTokens } : {}),
    ...(billing.outputAudioTokens > 0 ? { output_audio_tokens: billing.outputAudioTokens } : {}),
    ...(billing.webSearches > 0 ? { web_searches: billing.webSearches } : {}),
  }
}

interface Bucket {
  readonly name: string
  readonly tokens: number
  /** Price keys in the order of preference: what has no price of its own costs as its parent. */
  readonly keys: readonly string[]
  /** The same in a price list. */
  readonly listKeys: readonly string[]
  /** Everywhere dearer than its parent, whose price is then no more than a guess. */
  readonly costsMore?: true
}

const listInput = 'input_cost_per_token'
const listOutput = 'output_cost_per_token'
const listCacheWrite = 'cache_creation_input_token_cost'

function bucketsOf({ usage, billing }: ReportedUsage): Bucket[] {
  const { inputAudioTokens, outputAudioTokens, cacheWriteLongTokens } = billing
  return [
    {
      name: 'input',
      tokens: usage.inputTokens - inputAudioTokens,
      keys: ['input_mtok'],
      listKeys: [listInput],
    },
    {
      name: 'input-audio',
      tokens: inputAudioTokens,
      keys: ['input_audio_mtok', 'input_mtok'],
      listKeys: ['input_cost_per_audio_token', listInput],
      costsMore: true,
    },
    {
      name: 'cache-read',
      tokens: usage.cacheReadTokens,
      keys: ['cache_read_mtok', 'input_mtok'],
      listKeys: ['cache_read_input_token_cost', listInput],
    },
    {
      name: 'cache-write',
      tokens: usage.cacheWriteTokens - cacheWriteLongTokens,
      keys: ['cache_write_mtok', 'input_mtok'],
      listKeys: [listCacheWrite, listInput],
    },
    {
      name: 'cache-write-1h',
      tokens: cacheWriteLongTokens,
      keys: ['cache_write_1h_mtok', 'cache_write_mtok', 'input_mtok'],
      listKeys: [`${listCacheWrite}_above_1hr`, listCacheWrite, listInput],
      costsMore: true,
    },
    {
      name: 'output',
      tokens: usage.outputTokens - outputAudioTokens,
      keys: ['output_mtok'],
      listKeys: [listOutput],
    },
    {
      name: 'output-audio',
      tokens: outputAudioTokens,
      keys: ['output_audio_mtok', 'output_mtok'],
      listKeys: ['output_cost_per_audio_token', listOutput],
      costsMore: true,
    },
    {
      name: 'web-search',
      tokens: billing.webSearches,
      keys: ['web_searches_kcount'],
      listKeys: [],
    },
  ]
}

/** Undefined if something that was used has no price. */
function linesOf(
  usage: ReportedUsage,
  priceOf: (bucket: Bucket) => number | undefined,
): Cost['lines'] | undefined {
  const lines: Array<Cost['lines'][number]> = []
  for (const bucket of bucketsOf(usage)) {
    const { name, tokens } = bucket
    if (tokens === 0) continue
    const price = priceOf(bucket)
    if (price === undefined) return undefined
    lines.push({ bucket: name, tokens, usdPerMillion: price, usd: (tokens * price) / 1e6 })
  }
  return lines
}

function sumOf(lines: Cost['lines']): number {
  return lines.reduce((sum, line) => sum + line.usd, 0)
}

/** Dollars per million; where a long prompt costs more, the whole prompt does. */
function rateOf(prices: ModelPrice, key: string, inputTokens: number): number | undefined {
  const price = prices[key]
  if (price === undefined) return undefined
  const scale = key.endsWith('_kcount') ? 1_000 : 1
  if (typeof price === 'number') return price * scale
  const reached = price.tiers.filter((tier) => inputTokens > tier.start).map((tier) => tier.price)
  return (reached.at(-1) ?? price.base) * scale
}

/** The lines must come to what the library itself computes; else they miss one of its rules. */
function agrees(usd: number, found: PriceCalculation, usage: ReportedUsage): boolean {
  const scale = Math.max(usd, found.total_price, 1e-9)
  return usage.usage.totalTokens === 0 || Math.abs(usd - found.total_price) <= scale * 1e-9
}

/** Since when the prices that were used hold, if the tables say so. */
function dateOf(found: PriceCalculation): string | undefined {
  if (!Array.isArray(found.model.prices)) return undefined
  const used = found.model.prices.find((row) => row.prices === found.model_price)
  return used?.constraint?.type === 'start_date' ? used.constraint.start_date : undefined
}
