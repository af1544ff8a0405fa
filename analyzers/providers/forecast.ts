/**
 * What a call is taken to come to before anything like it has been answered: tokens by the length of
 * its body, dollars by the price of the model, where that is known without reading anything for it.
 * A guess that holds a place in a budget until the answer comes, and is never charged. Pure.
 */
import type { Forecast, MeteredRequest } from '../../src/policy/rules/meter.ts'
import { priceCall } from './price.ts'
import { providerOf } from './provider-hosts.ts'
import { dialectOf, modelInPath, recognizeCall, targetOf } from './recognize.ts'

/** English text and JSON in the encodings of today, roughly. */
const bytesPerToken = 4
/** Longer bodies hold files, whose tokens do not follow from their bytes. */
const maxInputTokens = 200_000
/** Of a body whose length is not told, and of a socket, which has none. */
const usualInputTokens = 2000
/** Most answers are a tool call or some paragraphs. */
const usualOutputTokens = 500
/** Dollars per million tokens of a model of the middle, for those without a known price. */
const usualPrice = { input: 3, output: 15 }
/** Of one request that are looked up. */
const maxModels = 4

/** Undefined for a request that runs no model, as far as its method and path tell. */
export function forecastCall(request: MeteredRequest, at: number): Forecast | undefined {
  const { method, host, path, bodyBytes } = request
  const target = targetOf(host, path)
  const isCall = recognizeCall(method, target) !== undefined
  if (!isCall && (method !== 'GET' || dialectOf(target) === undefined)) return undefined
  const input =
    isCall && bodyBytes !== undefined
      ? Math.min(maxInputTokens, Math.ceil(bodyBytes / bytesPerToken))
      : usualInputTokens
  const inPath = modelInPath(target)
  const models = [...(inPath === undefined ? [] : [inPath]), ...(request.models ?? [])]
  const costs = models.slice(0, maxModels).flatMap((model) => costOf({ host, model, input, at }))
  const usual = (input * usualPrice.input + usualOutputTokens * usualPrice.output) / 1e6
  return {
    tokens: input + usualOutputTokens,
    usd: costs.length === 0 ? usual : Math.max(...costs),
  }
}

function costOf(call: {
  readonly host: string
  readonly model: string
  readonly input: number
  readonly at: number
}): number[] {
  const usage = {
    inputTokens: call.input,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: usualOutputTokens,
    reasoningTokens: 0,
    totalTokens: call.input + usualOutputTokens,
    source: 'estimated' as const,
  }
  const billing = {
    cacheWriteLongTokens: 0,
    inputAudioTokens: 0,
    outputAudioTokens: 0,
    webSearches: 0,
    isSpecial: false,
  }
  const { usd } = priceCall({
    provider: providerOf(call.host),
    model: call.model,
    usage: { usage, billing },
    at: call.at,
  })
  return usd === undefined ? [] : [usd]
}
