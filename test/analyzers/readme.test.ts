import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

import { expect, test } from 'vitest'

import { HttpParser } from '../../analyzers/http-parser.ts'
import { ModelCalls } from '../../analyzers/model-calls.ts'
import { SseMerger } from '../../analyzers/sse-merger.ts'
import { SpendWatcher } from '../fixtures/analyzers/spend-watcher.ts'
import { readRecorded, specOf } from '../support/recorded-exchanges.ts'
import { exchangeMessages, ofKind, runAnalyzers } from '../support/run-analyzers.ts'

const root = resolve(import.meta.dirname, '..', '..')

test('the README shows the example that is tested here', () => {
  const readme = readFileSync(resolve(root, 'analyzers', 'README.md'), 'utf8')
  const example = readFileSync(resolve(root, 'test/fixtures/analyzers/spend-watcher.ts'), 'utf8')
  const [, ...body] = example.split('\n\n')

  expect(readme).toContain("import type { AnalysisMsg, Analyzer, Emit } from 'porthole'")
  expect(readme).toContain(body.join('\n\n').trimEnd())
})

test('the example of the README says once that the limit has been passed', () => {
  const chain = [new HttpParser(), new SseMerger(), new ModelCalls(), new SpendWatcher(0.0005)]
  const recording = specOf(readRecorded('messages-gzip'))
  const messages = Array.from({ length: 40 }, (_, turn) =>
    exchangeMessages({ ...recording, exchangeId: `x${turn}`, agent: 'tester' }),
  ).flat()

  const out = runAnalyzers(chain, messages)
  const answers = ofKind(out, 'model-answered')
  const spent = answers.reduce((sum, { cost }) => sum + (cost?.usd ?? 0), 0)

  expect(spent).toBeGreaterThan(0.0005)
  expect(ofKind(out, 'budget-exceeded')).toMatchObject([{ by: 'spend-watcher', agent: 'tester' }])
})
