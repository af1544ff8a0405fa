/**
 * How much of the recorded traffic the analyzers understand: the table that every run of the corpus
 * prints, and the totals that must hold, host by host.
 */
import { describe, expect, test } from 'vitest'

import { corpusPath, readCorpus } from '../support/recorded-exchanges.ts'
import type { CoverageRow } from './coverage.ts'
import { byProvider, coverageOf, coverageTable, othersTable, totalOf } from './coverage.ts'

const rows = await coverageOf(readCorpus())
const reason = 'no corpus beside the checkout; set PORTHOLE_CORPUS'

/** The hosts whose every `POST` is a model call. */
const modelHosts = new Set([
  '127.0.0.1',
  'api.deepseek.com',
  'api.cohere.com',
  'api.groq.com',
  'api.mistral.ai',
  'api.replicate.com',
  'api.together.xyz',
  'api.voyageai.com',
  'api.writer.com',
  'bedrock-runtime.us-east-1.amazonaws.com',
  'generativelanguage.googleapis.com',
  'test-resource.openai.azure.com',
  'traceloop-stg.openai.azure.com',
])
/** Endpoints of hosts that offer other things too. */
const modelPaths = new Set([
  'api.anthropic.com/v1/complete',
  'api.anthropic.com/v1/messages',
  'api.openai.com/v1/chat/completions',
  'api.openai.com/v1/completions',
  'api.openai.com/v1/embeddings',
  'api.openai.com/v1/images/generations',
  'api.openai.com/v1/responses',
  'api.openai.com/v1/threads/*/runs',
  'api.openai.com/v1/threads/*/runs/*/submit_tool_outputs',
])

const endpoints = rows.filter(
  ({ host, method, path }) =>
    method === 'POST' && (modelHosts.has(host) || modelPaths.has(host + path)),
)
const named = endpoints.map((row): [string, CoverageRow] => [row.host + row.path, row])

const withUsage = ({ usageEqual, estimated }: CoverageRow): number => usageEqual + estimated

describe.skipIf(corpusPath === undefined)(
  `coverage of the corpus (${corpusPath ?? reason})`,
  () => {
    test('is printed', () => {
      const table = coverageTable([...byProvider(rows), totalOf(rows)], 'provider')
      const parts = [coverageTable(rows, 'endpoint'), table, `no model calls\n${othersTable(rows)}`]
      process.stdout.write(`\n${parts.join('\n\n')}\n\n`)

      expect(totalOf(rows).count).toBe(readCorpus().length)
    })

    test.each(named)(
      'of %s is full: calls, streams as the SDK merges them, and usage',
      (_name, row) => {
        expect(row.recognised).toBe(row.count)
        expect(row.problems).toEqual([])
        expect(row.mergedAsSdk).toBe(row.streams)
        expect(row.usageEqual).toBe(row.usageReported)
      },
    )

    test('leaves nothing out: every exchange is a call or an operation, and every body is read', () => {
      const total = totalOf(rows)

      expect(total.problems).toEqual([])
      expect(total.unseen).toBe(0)
      expect(total.failures).toBe(0)
      expect(total.opaque).toBe(0)
      expect(total.mergedAsSdk).toBe(total.streams)
      expect(total.usageEqual).toBe(total.usageReported)
      expect(total.streams).toBeGreaterThan(300)
      expect(total.usageReported).toBeGreaterThan(840)
      // All the others are named above with what they are.
      expect(total.recognised + total.operations).toBe(total.count)
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
