/** Records as a capture gives them, made of exchanges by the analyzers that the command line has. */
import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'

import { defaultAnalyzers } from '../../analyzers/index.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import type { ExchangeRecord } from '../../src/recorded/exchange-record.ts'
import { RecordGatherer } from '../../src/recorded/record-gatherer.ts'
import type { RecordedExchange } from './recorded-exchanges.ts'
import { readRecorded, specOf } from './recorded-exchanges.ts'
import type { ExchangeSpec } from './run-analyzers.ts'
import { exchangeMessages, runAnalyzers } from './run-analyzers.ts'

/** Every recording of `test/fixtures/analyzers`. */
export function recordedFixtures(): RecordedExchange[] {
  return readdirSync(resolve(import.meta.dirname, '..', 'fixtures', 'analyzers'))
    .filter((name) => name.endsWith('.json'))
    .map((name) => readRecorded(name.replace('.json', '')))
}

/** All messages of these exchanges, one after the other, with what analyzers say of them. */
export function analyzedMessages(specs: readonly ExchangeSpec[]): AnalysisMsg[] {
  const raw = specs.flatMap((spec, index) => exchangeMessages({ exchangeId: `x${index}`, ...spec }))
  return runAnalyzers(defaultAnalyzers(), raw)
}

export function gatherMessages(messages: Iterable<AnalysisMsg>): ExchangeRecord[] {
  const gatherer = new RecordGatherer()
  const finished = Array.from(messages, (msg) => gatherer.take(msg))
  return [...finished.filter((record) => record !== undefined), ...gatherer.end()]
}

export function recordOfExchange(spec: ExchangeSpec): ExchangeRecord {
  const [record] = gatherMessages(analyzedMessages([spec]))
  if (record === undefined) throw new Error('no record')
  return record
}

export function recordOfFixture(name: string): ExchangeRecord {
  return recordOfExchange(specOf(readRecorded(name)))
}
