import { expect, test } from 'vitest'

import { defaultAnalyzers } from '../../../analyzers/index.ts'
import { reportOf, sampleExchanges } from '../../../src/conformance/sample-exchanges.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { analysisMsgSchema } from '../../../src/messages/schema.ts'
import { Chain } from '../../../src/pipeline/chain.ts'

test.each(sampleExchanges)(
  '$name is valid in pieces of any size, and says the same',
  (exchange) => {
    const bodyOf = (sizes: readonly number[]): string =>
      reportOf(exchange, sizes)
        .flatMap((draft) => {
          expect(analysisMsgSchema.safeParse({ v: 1, seq: 0, ...draft }).error).toBeUndefined()
          if (draft.kind !== 'response-body') return []
          return [
            Buffer.from(
              draft.text ?? draft.base64 ?? '',
              draft.text === undefined ? 'base64' : 'utf8',
            ),
          ]
        })
        .map((bytes) => bytes.toString('latin1'))
        .join('')

    expect(bodyOf([1, 7])).toBe(bodyOf([]))
  },
)

test('the analyzers find calls, streams, operations and tools in them', () => {
  const kinds = new Set<string>()
  const chain = new Chain(defaultAnalyzers(), ({ kind }: AnalysisMsg) => kinds.add(kind))
  for (const exchange of sampleExchanges) {
    for (const draft of reportOf(exchange, [50])) chain.run(draft, draft.at)
  }

  for (const kind of ['model-answered', 'stream-merged', 'operation-performed', 'mcp-answered'])
    expect(kinds).toContain(kind)
})
