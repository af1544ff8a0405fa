/** A call that the proxy refuses is a refusal and no call, wherever it is told or added up. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { defaultAnalyzers, FileLogger } from '../../analyzers/index.ts'
import { withIndex } from '../../src/capture/index/capture-index.ts'
import { totalsOfCaptures } from '../../src/capture/index/capture-totals.ts'
import { catchUp } from '../../src/capture/index/indexer.ts'
import type { RuleFields } from '../../src/config/rule-fields.ts'
import { Funnel } from '../../src/recorded/funnel.ts'
import { createLineReporter } from '../../src/run/line-reporter.ts'
import { createSummary } from '../../src/run/summary.ts'
import { applyMessage, createViewState } from '../../src/tui/model.ts'
import { startProxy } from '../support/proxy.ts'
import { rule, testRules } from '../support/rules.ts'
import { startHttpUpstream } from '../support/upstream.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-refused-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const path = '/v1/chat/completions'

test.each([
  ['by its head', { name: 'no', action: 'block', path }],
  ['by its body', { name: 'no', action: 'block', model: 'gpt-4*' }],
] as const satisfies ReadonlyArray<readonly [string, RuleFields]>)(
  'a call that is refused %s is one line, one refusal, and no call',
  async (_how, fields) => {
    const upstream = await startHttpUpstream((_request, response) => response.end('{}'))
    const logger = new FileLogger(join(folder, 'a.jsonl'))
    const proxy = await startProxy({
      configure: (builder) => {
        builder.route(`api=http://127.0.0.1:${upstream.port}`).rules(testRules([rule(fields)]))
        for (const analyzer of defaultAnalyzers()) builder.addAnalyzer(analyzer)
        builder.addAnalyzer(logger)
      },
    })
    const messages = [{ role: 'user', content: 'is it?' }]
    const response = await fetch(`http://127.0.0.1:${proxy.running.port}/api${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o', messages }),
    })
    expect(response.status).toBe(403)
    await response.arrayBuffer()
    await proxy.waitFor('exchange-completed')
    await proxy.close()
    await upstream.close()

    const report = createLineReporter(() => 'now')
    const summary = createSummary()
    const view = createViewState()
    const funnel = new Funnel()
    for (const msg of proxy.messages) {
      summary.add(msg)
      applyMessage(view, msg, 'proxy')
      funnel.take(msg)
    }
    const lines = proxy.messages.flatMap((msg) => report(msg) ?? [])
    expect(lines).toEqual([expect.stringMatching(/^now refused POST \S+ with 403 · rule · /u)])
    expect(summary.summarize()).toMatchObject({
      calls: 0,
      failed: 0,
      models: [],
      conversations: { sessions: 0, turns: 0 },
      refusals: [{ target: 'no', reason: 'rule', count: 1 }],
    })
    expect([view.calls, view.sessions.list.length, view.rows.length]).toEqual([0, 0, 1])
    expect(view.rows[0]?.problem).toMatch(/^refused: the rule no blocks/u)
    expect(funnel.verdict(0).step).toBe('refused')

    const totals = await withIndex(folder, { onNotice: (line) => expect.unreachable(line) }, (db) =>
      catchUp(db, folder, {}).then(() => totalsOfCaptures(db)),
    )
    expect([...totals.values()]).toMatchObject([{ calls: 0, failedCalls: 0, unknownCosts: 0 }])
  },
)
