/**
 * How much of the recorded traffic the analyzers understand: the table that every run of the corpus
 * prints, and the totals that must hold, host by host.
 */
import { describe, expect, test } from 'vitest'

import { corpusPath, readCorpus } from '../support/recorded-exchanges.ts'
import type { CoverageRow } from './coverage.ts'
import { coverageOf, byProvider, coverageTable, totalOf } from './coverage.ts'

const rows = coverageOf(readCorpus())
const reason = 'no corpus beside the checkout; set PORTHOLE_CORPUS'

/** Recordings edited by hand whose request bodies are no JSON: nobody can tell what they ask. */
const malformed = new Map([['api.writer.com/v1/chat', 6]])

/** The hosts whose every `POST` is a model call. */
const modelHosts = new Set([
  'api.deepseek.com',
  'api.groq.com',
  'api.mistral.ai',
  'api.replicate.com',
  'api.together.xyz',
  'api.voyageai.com',
  'api.writer.com',
  'generativelanguage.googleapis.com',
  'test-resource.openai.azure.com',
  'traceloop-stg.openai.azure.com',
])
/** Endpoints of hosts that offer other things too. */
const modelPaths = new Set([
  'api.anthropic.com/v1/messages',
  'api.openai.com/v1/chat/completions',
  'api.openai.com/v1/completions',
  'api.openai.com/v1/embeddings',
  'api.openai.com/v1/responses',
])

const endpoints = rows.filter(
  ({ host, method, path }) =>
    method === 'POST' && (modelHosts.has(host) || modelPaths.has(host + path)),
)
const named = endpoints.map((row): [string, CoverageRow] => [row.host + row.path, row])

const withUsage = ({ usageRead, estimated }: CoverageRow): number => usageRead + estimated

describe.skipIf(corpusPath === undefined)(
  `coverage of the corpus (${corpusPath ?? reason})`,
  () => {
    test('is printed', () => {
      const table = coverageTable([...byProvider(rows), totalOf(rows)], 'provider')
      process.stdout.write(`\n${coverageTable(rows, 'endpoint')}\n\n${table}\n\n`)

      expect(totalOf(rows).count).toBe(readCorpus().length)
    })

    test.each(named)('of %s is full: calls, streams and usage', (name, row) => {
      expect(row.recognised).toBe(row.count - (malformed.get(name) ?? 0))
      expect(row.problems).toEqual([])
      expect(row.merged).toBe(row.streams)
      expect(row.usageRead).toBe(row.usageReported)
      expect(row.usageEqual).toBe(row.usageReported)
    })

    test('takes nothing for a model call that is none', () => {
      const others = rows.filter(({ path }) =>
        /\/(?:traces\/ingest|versions\/|assistants$)/u.test(path),
      )

      expect(totalOf(others).recognised).toBe(0)
      expect(others.length).toBeGreaterThan(2)
    })

    test('prices what has a price', () => {
      const priced = (host: string): number =>
        totalOf(rows.filter((row) => row.host === host)).priced
      const read = (host: string): number =>
        withUsage(totalOf(rows.filter((row) => row.host === host)))

      for (const host of [
        'api.deepseek.com',
        'api.groq.com',
        'api.mistral.ai',
        'api.together.xyz',
        'generativelanguage.googleapis.com',
        'traceloop-stg.openai.azure.com',
      ]) {
        expect(read(host), host).toBeGreaterThan(0)
        expect(priced(host), host).toBe(read(host))
      }
      // No table has Writer's prices: unknown, never zero.
      expect(priced('api.writer.com')).toBe(0)
    })
  },
)
