/**
 * What one exchange waits for, as the deadlines ask it now and then: read from its streams and
 * counters, and never kept up to date, so that bytes on their way cost nothing for it.
 */
import { headerValues } from '../messages/header-values.ts'
import type { WaitState } from './deadlines.ts'
import type { ExchangeInput } from './exchange-input.ts'

export interface ExchangeProgress {
  readonly requestBytes: number
  readonly responseBytes: number
  readonly isRequestEnded: boolean
  readonly hasAnswer: boolean
  readonly isSwitched: boolean
  readonly interims: number
}

export function waitStateOf(
  { body, response, headers }: Pick<ExchangeInput, 'body' | 'response' | 'headers'>,
  progress: ExchangeProgress,
): WaitState {
  const common = {
    bytesUp: progress.requestBytes,
    bytesDown: progress.responseBytes,
    // An answer of a module's shows here alone.
    signs: progress.interims + (response.socket?.bytesWritten ?? 0),
  }
  if (progress.isSwitched) return { ...common, phase: 'relay', isHeldBack: false }
  if (progress.hasAnswer || response.headersSent) {
    return { ...common, phase: 'response', isHeldBack: response.writableNeedDrain }
  }
  if (progress.isRequestEnded) return { ...common, phase: 'waiting', isHeldBack: false }
  const awaitsContinue =
    progress.requestBytes + progress.interims === 0 && headerValues(headers, 'expect').length > 0
  const isHeldBack = body.isPaused() || body.readableEnded || awaitsContinue
  return { ...common, phase: 'request', isHeldBack }
}
