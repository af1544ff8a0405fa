import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'

import type { CaptureSet } from '../../../src/capture/capture-sets.ts'
import { listCaptureSets } from '../../../src/capture/capture-sets.ts'
import type { PruneRules } from '../../../src/capture/retention.ts'
import { choosePrunable, removeCaptureFiles } from '../../../src/capture/retention.ts'

const now = 1_000_000_000_000
const day = 86_400_000

function capture(name: string, days: number, more: Partial<CaptureSet> = {}): CaptureSet {
  const modifiedAt = now - days * day
  return { name, path: name, files: [], bytes: 10, modifiedAt, isPinned: false, ...more }
}

function names(sets: readonly CaptureSet[], rules: Partial<PruneRules>): string[] {
  const isRunning = ({ name }: CaptureSet): boolean => name === 'running'
  return choosePrunable(sets, { now, isRunning, ...rules }).map(({ name }) => name)
}

const sets = [
  capture('young', 1),
  capture('old', 40),
  capture('older', 50),
  capture('pinned', 90, { isPinned: true }),
  capture('running', 60),
]

test('what is too old goes, the oldest first; what is pinned or running stays', () => {
  expect(names(sets, { olderThanMs: 30 * day })).toEqual(['older', 'old'])
})

test('of what is too large the oldest go, until the rest is small enough', () => {
  expect(names(sets, { maxBytes: 49 })).toEqual(['older'])
  expect(names(sets, { maxBytes: 31 })).toEqual(['older', 'old'])
  expect(names(sets, { maxBytes: 0 })).toEqual(['older', 'old', 'young'])
  expect(names(sets, { maxBytes: 50 })).toEqual([])
})

test('without a rule nothing goes, and what was just written to never does', () => {
  expect(names(sets, {})).toEqual([])
  expect(names([capture('new', 0)], { maxBytes: 0, olderThanMs: 0 })).toEqual([])
})

property.prop([
  fc.array(fc.record({ days: fc.nat(100), bytes: fc.nat(100), isPinned: fc.boolean() })),
  fc.nat(1000),
])('what stays is small enough, or nothing more could go', (made, maxBytes) => {
  const all = made.map(({ days, ...more }, index) => capture(`c${index}`, days, more))
  const gone = new Set(names(all, { maxBytes }))
  const left = all.filter(({ name }) => !gone.has(name))

  const bytes = left.reduce((sum, set) => sum + set.bytes, 0)
  const couldGo = left.filter(({ isPinned, modifiedAt }) => !isPinned && now - modifiedAt > 60_000)
  expect(bytes <= maxBytes || couldGo.length === 0).toBe(true)
})

test('a capture goes with all its files, and no other with it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'porthole-retention-'))
  const own = ['a.jsonl', 'a.1.jsonl.gz', 'a.2.jsonl', 'a.2.jsonl.gz', 'a.2.jsonl.gz.part']
  for (const name of [...own, 'b.jsonl', 'ab.jsonl', 'index.db']) {
    writeFileSync(join(folder, name), '')
  }
  const set = (await listCaptureSets(folder)).find(({ name }) => name === 'a')
  if (set === undefined) throw new Error('none')

  await removeCaptureFiles(folder, set)

  expect(readdirSync(folder).sort()).toEqual(['ab.jsonl', 'b.jsonl', 'index.db'])
  rmSync(folder, { recursive: true })
})
