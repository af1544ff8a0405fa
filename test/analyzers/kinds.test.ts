/** The kinds that the built-in analyzers name are all that they need: shown more, they say the same. */
import { expect, test } from 'vitest'

import { defaultAnalyzers } from '../../analyzers/index.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import type { Analyzer } from '../../src/pipeline/analyzer.ts'
import { Chain } from '../../src/pipeline/chain.ts'
import { readRecorded, specOf } from '../support/recorded-exchanges.ts'
import { exchangeMessages } from '../support/run-analyzers.ts'

function run(analyzers: readonly Analyzer[], messages: readonly AnalysisMsg[]): AnalysisMsg[] {
  const delivered: AnalysisMsg[] = []
  const chain = new Chain(analyzers, (msg) => delivered.push(msg))
  for (const msg of messages) chain.run(msg, msg.at)
  return delivered
}

/** The same analyzer, shown all messages. */
function shownAll(analyzer: Analyzer): Analyzer {
  return {
    name: analyzer.name,
    onMessage: (msg, emit) => analyzer.onMessage?.(msg, emit),
  }
}

test.each([
  'chat-tools-stream',
  'chat-usage-stream',
  'messages-tools-stream',
  'messages-thinking-stream',
  'responses-text-stream',
  'chat-gzip',
])('%s', (name) => {
  const spec = specOf(readRecorded(name))
  const messages = [
    ...exchangeMessages({ ...spec, chunkSize: 50 }),
    ...exchangeMessages({ ...spec, exchangeId: 'cut', chunkSize: 80, failAfterBytes: 700 }),
    ...exchangeMessages({ ...spec, exchangeId: 'again' }),
  ]

  expect(run(defaultAnalyzers(), messages)).toEqual(run(defaultAnalyzers().map(shownAll), messages))
})
