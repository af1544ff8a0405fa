import { describe, expect, test } from 'vitest'

import {
  ApiOperations,
  Conversations,
  HttpParser,
  McpCalls,
  ModelCalls,
  SseMerger,
  WebSocketCalls,
} from '../../../analyzers/index.ts'
import { checkAnalyzer } from '../../../src/conformance/check-analyzer.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import type { Analyzer, Emit } from '../../../src/pipeline/analyzer.ts'
import { SpendWatcher } from '../../fixtures/analyzers/spend-watcher.ts'

const parsers = (): Analyzer[] => [new HttpParser(), new SseMerger()]
const all = (): Analyzer[] => [...parsers(), new ModelCalls()]

test.each<[string, () => Analyzer, () => Analyzer[], boolean]>([
  ['http-parser', () => new HttpParser(), () => [], false],
  ['sse-merger', () => new SseMerger(), () => [], false],
  ['model-calls', () => new ModelCalls(), parsers, false],
  ['websocket-calls', () => new WebSocketCalls(), () => [], false],
  ['conversations', () => new Conversations(), all, true],
  ['api-operations', () => new ApiOperations(), () => [new HttpParser()], false],
  ['mcp-calls', () => new McpCalls(), parsers, false],
  ['the example of the README', () => new SpendWatcher(5), all, false],
])('%s holds to every rule', (_name, make, before, remembers) => {
  expect(checkAnalyzer(make, { before, remembers })).toEqual([])
})

/** An analyzer that does one thing. */
function doing(onMessage: (msg: AnalysisMsg, emit: Emit) => void, name = 'sample'): Analyzer {
  return { name, onMessage }
}

const rulesOf = (make: () => Analyzer): string[] =>
  checkAnalyzer(make, { rounds: 50 }).map(({ rule }) => rule)

describe('what breaks a rule is found:', () => {
  test('a name that cannot stand in a message', () => {
    expect(rulesOf(() => doing(() => undefined, 'My Analyzer'))).toEqual([
      'has a name of small letters, digits and hyphens',
    ])
  })

  test('a throw, with the messages that led to it', () => {
    const [violation] = checkAnalyzer(() =>
      doing((msg) => {
        if (msg.kind === 'websocket-message' && msg.text !== '') JSON.parse(msg.text ?? '')
      }),
    )

    expect(violation?.problem).toMatch(/^it throws: .* JSON/u)
    expect(violation?.messages.map(({ kind }) => kind)).toContain('websocket-message')
  })

  test('a message that is none', () => {
    const make = (): Analyzer =>
      doing((msg, emit) => {
        if (msg.kind !== 'response-ended') return
        emit({ kind: 'messages-dropped', where: 'sample', count: -1, bytes: 0 })
      })

    expect(rulesOf(make)).toContain(
      'takes any messages in any order, and emits valid messages only',
    )
    expect(rulesOf(make)).toContain('stands the loss of any messages of an exchange')
  })

  test('a message that JSON changes', () => {
    const make = (): Analyzer =>
      doing((msg, emit) => {
        if (msg.kind !== 'response-ended') return
        emit({ kind: 'messages-dropped', where: 'sample', count: NaN, bytes: 0 })
      })

    expect(checkAnalyzer(make)[0]?.problem).toContain('is not the same once it is read from JSON')
  })

  test('chance', () => {
    let count = 0
    const make = (): Analyzer =>
      doing((msg, emit) => {
        if (msg.kind !== 'response-ended') return
        emit({ kind: 'messages-dropped', where: 'sample', count: (count += 1), bytes: 0 })
      })

    expect(rulesOf(make)).toContain('emits the same for the same messages')
  })

  test('what depends on packets', () => {
    const make = (): Analyzer =>
      doing((msg, emit) => {
        if (msg.kind !== 'response-body') return
        emit({ kind: 'messages-dropped', where: 'sample', count: 1, bytes: msg.text?.length ?? 0 })
      })

    expect(rulesOf(make)).toEqual(['emits the same however bodies are cut into pieces'])
  })

  test('what is kept of exchanges that have ended', () => {
    const make = (): Analyzer => {
      const seen = new Set<string | undefined>()
      return doing((msg, emit) => {
        if (msg.kind !== 'request-started' || seen.has(msg.exchangeId)) return
        seen.add(msg.exchangeId)
        emit({ kind: 'messages-dropped', where: 'sample', count: 1, bytes: 0 })
      })
    }

    expect(rulesOf(make)).toEqual(['has forgotten an exchange that has ended'])
    expect(checkAnalyzer(make, { remembers: true })).toEqual([])
  })
})

test('the same seed finds the same', () => {
  const make = (): Analyzer =>
    doing((msg) => {
      if (msg.kind === 'request-started') void new URL(msg.url)
    })

  expect(checkAnalyzer(make, { seed: 7 })).not.toEqual([])
  expect(checkAnalyzer(make, { seed: 7 })).toEqual(checkAnalyzer(make, { seed: 7 }))
})
