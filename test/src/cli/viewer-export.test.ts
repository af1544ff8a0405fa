import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { createCallExporter } from '../../../src/cli/viewer-export.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import type { ExchangeRecord } from '../../../src/recorded/exchange-record.ts'
import { recordOfRow } from '../../../src/tui/row-record.ts'
import { plainExchange, tunnel } from '../tui/sample-messages.ts'
import { rowOf } from '../tui/tab-view.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-export-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

function recordOf(messages: readonly AnalysisMsg[]): ExchangeRecord {
  const row = rowOf(messages)
  return recordOfRow(row, row)
}

test('a call is written into a new file that only its user can read', async () => {
  const exporter = createCallExporter(folder, '1.2.3')

  expect(await exporter(recordOf(plainExchange('x1', '/a')), 'har')).toBe('wrote porthole-x1.har')
  const path = join(folder, 'porthole-x1.har')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
    log: { entries: [{ response: { status: 200, content: { text: 'hello' } } }] },
  })
})

test('nothing that is there is written over', async () => {
  await writeFile(join(folder, 'porthole-x1.md'), 'mine')
  const exporter = createCallExporter(folder, '1.2.3')

  expect(await exporter(recordOf(plainExchange('x1', '/a')), 'markdown')).toBe(
    'wrote porthole-x1-2.md',
  )
  expect(await readFile(join(folder, 'porthole-x1.md'), 'utf8')).toBe('mine')
})

test('an id that looks like a path leads nowhere', async () => {
  const exporter = createCallExporter(folder, '1.2.3')
  await exporter(recordOf(plainExchange('../../etc/x', '/a')), 'curl')

  expect(await readdir(folder)).toEqual(['porthole--etc-x.sh'])
})

test('a tunnel, and a folder that is not there, are told and not thrown', async () => {
  const exporter = createCallExporter(join(folder, 'none'), '1.2.3')

  expect(await exporter(recordOf(tunnel('x1')), 'jsonl')).toContain('only an exchange')
  expect(await exporter(recordOf(plainExchange('x1', '/a')), 'jsonl')).toContain('could not write')
})
