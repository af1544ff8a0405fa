/** Reranking by Voyage AI (`POST /v1/rerank`): documents ordered by how well they fit a query. */
import type { Part } from '../../src/messages/schema.ts'
import { listOf, recordsOf, textOf } from '../wire/json.ts'
import type { ModelWire } from './model-wire.ts'
import { jsonText, optional } from './model-wire.ts'
import { readOpenaiUsage } from './usage.ts'

export const voyageRerankWire: ModelWire = {
  operation: 'rerank',
  isCall: (body) => typeof body['query'] === 'string' && Array.isArray(body['documents']),
  readCall: (body) => ({
    ...optional('model', textOf(body['model'])),
    streaming: false,
    messages: [
      { role: 'user', parts: [{ type: 'text', text: textOf(body['query']) ?? '' }] },
      {
        role: 'document',
        parts: listOf(body['documents']).map((document) => ({
          type: 'text',
          text: jsonText(document),
        })),
      },
    ],
    tools: [],
  }),
  readAnswer(body) {
    const ranks = recordsOf(body['data']).map(
      (item) => `${jsonText(item['index'])}: ${jsonText(item['relevance_score'])}`,
    )
    const output: Part[] =
      ranks.length === 0 ? [] : [{ type: 'other', name: 'ranking', text: ranks.join('\n') }]
    return {
      ...optional('model', textOf(body['model'])),
      output,
      toolCalls: [],
      ...optional('usage', readOpenaiUsage(body)),
    }
  },
}
