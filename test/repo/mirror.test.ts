/** Every source has its test at the mirrored path, or a reason why not. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { readSources, repository } from './source-files.ts'

const sources = readSources().map(({ path }) => path)

const reasons = {
  types: 'declares types and constants only',
  entry: 'an entry or catalogue: it only names what others do',
  sockets: 'needs a client and an upstream: test/integration',
  routes: 'what becomes of the tokens of a proxy: test/src/proxy/session-token.test.ts',
  command: 'a command is tested as users run it: test/e2e',
  demo: 'the demo is tested as a whole: test/e2e and test/src/demo',
  provider: 'a wire format is tested through the analyzers, over recordings',
  table: 'a part of one table or shape, which is tested as a whole',
  wire: 'a part of the analyzers, tested through them',
  reading: 'a part of reading captures: test/src/capture/reader.test.ts and scan-lines.test.ts',
  index: 'a part of the index, tested through it: test/src/capture/index',
  backtest: 'a part of trying rules on captures: test/src/backtest',
  run: 'a part of the summary: test/src/run/summary.test.ts',
  exports: 'a part of the exports: test/src/capture/export',
  child: 'needs a terminal: test/src/run/child.test.ts',
  serve: 'a part of the server: test/src/serve/recording-server.test.ts, recording-library.test.ts',
  audit: 'a part of the audit, tested with the others of it: test/src/audit, test/integration',
  vault: 'a part of the vault, tested with the others of it: test/src/vault',
  ledger: 'rows of the ledger: test/src/ledger/ledger-holds.test.ts',
  storage: 'tested through a file that it opens: test/src/vault/database.test.ts',
  tui: 'a part of the view model or of a component: test/src/tui',
}

/** Why a source has no test of its own; a name that ends in `/` stands for a folder. */
const excused: Readonly<Record<string, string>> = {
  'analyzers/index.ts': reasons.entry,
  'src/index.ts': reasons.entry,
  'src/base/error-table.ts': reasons.table,
  'src/base/storage-errors.ts': reasons.table,
  'src/config/access-options.ts': reasons.table,
  'src/config/settings-file.ts': reasons.table,
  'src/messages/message-kind.ts': reasons.table,
  'src/main.ts': reasons.entry,
  'src/builder.ts': reasons.sockets,
  'src/create-engine.ts': reasons.sockets,
  'src/plan.ts': reasons.types,
  'src/proxy/mitm-module.ts': reasons.types,
  'src/porthole.ts': reasons.sockets,
  'analyzers/providers/': reasons.provider,
  'analyzers/wire/': reasons.wire,
  'analyzers/conversation/': reasons.wire,
  'analyzers/tokens/': reasons.wire,
  'src/audit/acts.ts': reasons.audit,
  'src/audit/audit-database.ts': reasons.audit,
  'src/audit/audit-feed.ts': reasons.audit,
  'src/audit/audit-path.ts': reasons.audit,
  'src/audit/audit-queue.ts': reasons.audit,
  'src/audit/audit-row.ts': reasons.audit,
  'src/audit/checkpointer.ts': reasons.audit,
  'src/audit/checkpoint-worker.ts': reasons.audit,
  'src/audit/schema.ts': reasons.types,
  'src/capture/open-capture.ts': reasons.reading,
  'src/capture/index/call-subject.ts': reasons.index,
  'src/capture/index/capture-totals.ts': reasons.index,
  'src/capture/index/exchange-entry.ts': reasons.index,
  'src/capture/index/filtered-search.ts': reasons.index,
  'src/capture/index/index-writer.ts': reasons.index,
  'src/capture/index/scan-file.ts': reasons.index,
  'src/capture/index/schema.ts': reasons.types,
  'src/capture/index/spend.ts': reasons.index,
  'src/capture/export/export-format.ts': reasons.types,
  'src/capture/export/export-text.ts': reasons.exports,
  'src/capture/export/record-messages.ts': reasons.exports,
  'src/capture/export/select-lines.ts': reasons.exports,
  'src/backtest/recorded-requests.ts': reasons.backtest,
  'src/backtest/rule-tally.ts': reasons.backtest,
  'src/backtest/suggest-rules.ts': reasons.backtest,
  'src/ledger/hold-rows.ts': reasons.ledger,
  'src/ledger/ledger-path.ts': reasons.types,
  'src/ledger/schema.ts': reasons.types,
  'src/messages/call-link.ts': reasons.types,
  'src/messages/content.ts': reasons.types,
  'src/pipeline/analyzer.ts': reasons.types,
  'src/pipeline/request-refused.ts': reasons.types,
  'src/policy/tokens/token-source.ts': reasons.types,
  'src/query/expression.ts': reasons.types,
  'src/query/filter-grammar.ts': reasons.types,
  'src/policy/agent-pass.ts': reasons.types,
  'src/policy/decision-log.ts': reasons.types,
  'src/policy/rules/rule.ts': reasons.types,
  'src/query/filter-subject.ts': reasons.types,
  'src/recorded/exchange-record.ts': reasons.types,
  'src/policy/secret-range.ts': reasons.types,
  'src/policy/rules/meter.ts': reasons.types,
  'src/proxy/admission.ts': reasons.sockets,
  'src/proxy/tunnel-report.ts': reasons.sockets,
  'src/proxy/connect-handler.ts': reasons.sockets,
  'src/proxy/doorkeeper.ts': reasons.sockets,
  'src/proxy/decisions.ts': reasons.sockets,
  'src/proxy/engine.ts': reasons.sockets,
  'src/proxy/inner-socket.ts': reasons.sockets,
  'src/proxy/engine-limits.ts': reasons.types,
  'src/proxy/exchange.ts': reasons.sockets,
  'src/proxy/exchange-input.ts': reasons.types,
  'src/proxy/guarded-lookup.ts': reasons.sockets,
  'src/proxy/http1-forwarder.ts': reasons.sockets,
  'src/proxy/module-turns.ts': reasons.sockets,
  'src/proxy/outgoing-request.ts': reasons.sockets,
  'src/proxy/parent-proxy.ts': reasons.sockets,
  'src/proxy/request-handler.ts': reasons.sockets,
  'src/proxy/request-sender.ts': reasons.sockets,
  'src/proxy/route-auth.ts': reasons.sockets,
  'src/proxy/running-routes.ts': reasons.routes,
  'src/proxy/tunnel-relay.ts': reasons.sockets,
  'src/proxy/upgrade.ts': reasons.sockets,
  'src/cli/': reasons.command,
  'src/demo/': reasons.demo,
  'src/run/call-totals.ts': reasons.run,
  'src/run/conversation-totals.ts': reasons.run,
  'src/run/summary-text.ts': reasons.run,
  'src/run/totals-row.ts': reasons.run,
  'src/run/terminal-foreground.ts': reasons.child,
  'src/serve/miss-text.ts': reasons.serve,
  'src/serve/playback.ts': reasons.serve,
  'src/storage/private-database.ts': reasons.storage,
  'src/tui/': reasons.tui,
  'src/vault/schema.ts': reasons.types,
  'src/vault/key-file.ts': reasons.vault,
  'src/vault/key-sources.ts': reasons.vault,
  'src/vault/keyring.ts': reasons.vault,
  'src/vault/open-vault.ts': reasons.vault,
  'src/vault/vault.ts': reasons.vault,
  'src/vault/vault-agents.ts': reasons.vault,
  'src/vault/vault-credentials.ts': reasons.vault,
  'src/vault/vault-path.ts': reasons.vault,
  'src/vault/rule-rows.ts': reasons.vault,
  'src/vault/vault-rules.ts': reasons.vault,
  'src/vault/vault-tokens.ts': reasons.vault,
}

function testOf(path: string): string | undefined {
  const base = join(repository, 'test', path.replace(/\.tsx?$/u, ''))
  return [`${base}.test.ts`, `${base}.test.tsx`].find((candidate) => existsSync(candidate))
}

function isExcused(path: string): boolean {
  return Object.keys(excused).some((name) =>
    name.endsWith('/') ? path.startsWith(name) : path === name,
  )
}

test('every source has a mirrored test or a reason', () => {
  const missing = sources.filter((path) => testOf(path) === undefined && !isExcused(path))

  expect(missing).toEqual([])
})

test('every reason is for a source that exists', () => {
  const stale = Object.keys(excused).filter((name) =>
    name.endsWith('/')
      ? !sources.some((path) => path.startsWith(name))
      : !existsSync(join(repository, name)),
  )

  expect(stale).toEqual([])
})

describe('tests', () => {
  const tests = readSources(['test']).filter(({ path }) => /\.test\.tsx?$/u.test(path))

  test('are found', () => {
    expect(tests.length).toBeGreaterThan(50)
  })

  test('are all run: none is singled out, put off or expected to fail', () => {
    const marked = tests.flatMap(({ path, text }) =>
      (text.match(/\b(?:test|it|describe|property)\.(?:only|skip|todo|fails)\b/gu) ?? []).map(
        (mark) => `${path}: ${mark}`,
      ),
    )

    expect(marked).toEqual([])
  })

  test('of sources stand where the sources do', () => {
    const own = new Set(['integration', 'e2e', 'repo', 'support', 'corpus', 'bench', 'fixtures'])
    const lost = tests
      .map(({ path }) => dirname(path).split('/').slice(1))
      .filter(([top = '', ...rest]) => !own.has(top) && !existsSync(join(repository, top, ...rest)))

    expect(lost).toEqual([])
  })
})
