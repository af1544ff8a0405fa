import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import {
  dropIndex,
  indexOne,
  spendSince,
  withIndex,
} from '../../../../src/capture/index/capture-index.ts'
import { totalsOfCaptures } from '../../../../src/capture/index/capture-totals.ts'
import { catchUp } from '../../../../src/capture/index/indexer.ts'
import { findCalls } from '../../../../src/capture/index/search.ts'
import { claudeCodeDay } from '../../../support/agent-transcripts.ts'
import { chatSteps, recordSteps } from '../../../support/recorded-captures.ts'

let home = ''
let folder = ''
const notices: string[] = []
const options = { onNotice: (text: string) => void notices.push(text) }

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'porthole-home-'))
  folder = join(home, 'captures')
  mkdirSync(folder)
  notices.length = 0
})
afterEach(() => {
  rmSync(home, { recursive: true })
})

const talk = [
  { asked: 'one', answered: 'two' },
  { asked: 'three', answered: 'four' },
]

test('an index that turns out to be damaged is made anew from the captures, and told of once', async () => {
  const long = Array.from({ length: 100 }, (_, at) => ({ asked: `word${at}`, answered: 'ok' }))
  await recordSteps(join(folder, 'a.jsonl'), chatSteps(long))
  await withIndex(folder, options, async (db) => await catchUp(db, folder))
  const path = join(folder, 'index.db')
  // The first page stays, so that it opens; what lies behind it is gone.
  truncateSync(path, 4096 * 2)
  writeFileSync(path, 'x'.repeat(4096), { flag: 'r+', flush: true })
  writeFileSync(path, 'damaged', { flag: 'r+' })

  const found = await withIndex(folder, options, async (db) => {
    await catchUp(db, folder)
    return findCalls(db, { match: '"word7"' })
  })

  expect(found).toHaveLength(1)
  expect(notices).toEqual([expect.stringContaining('damaged')])
  expect(existsSync(join(folder, 'index.db.damaged'))).toBe(true)
})

test('an index can be dropped; captures stay', async () => {
  await recordSteps(join(folder, 'a.jsonl'), chatSteps(talk))
  await withIndex(folder, options, async (db) => await catchUp(db, folder))

  await dropIndex(folder)

  expect(existsSync(join(folder, 'index.db'))).toBe(false)
  expect(existsSync(join(folder, 'a.jsonl'))).toBe(true)
})

test('one capture is indexed by itself', async () => {
  await recordSteps(join(folder, 'a.jsonl'), chatSteps(talk))
  await recordSteps(join(folder, 'b.jsonl'), chatSteps(talk))
  const { signal } = new AbortController()

  await indexOne(folder, join(folder, 'b.jsonl'), { ...options, signal, busyMs: 50 })

  const names = await withIndex(folder, options, async (db) => [...totalsOfCaptures(db).keys()])
  expect(names).toEqual(['b'])
})

describe('what calls have cost', () => {
  test('is summed up since a time, the unknown apart', async () => {
    await recordSteps(join(folder, 'a.jsonl'), chatSteps(talk))
    const unknown = chatSteps([{ asked: 'x', answered: 'y' }], { at: 9e6, id: 'y' })
    const text = JSON.stringify(unknown).replaceAll(/gpt-4o[-\d]*/gu, 'a-model-of-ours')
    await recordSteps(join(folder, 'b.jsonl'), JSON.parse(text) as typeof unknown)

    const all = await spendSince(home, 0, { catchUpMs: 60_000 })
    const late = await spendSince(home, 1_700_000_000_500)
    const later = await spendSince(home, 1_700_000_009_000)

    expect(all).toMatchObject({ known: 2, unknown: 1 })
    expect(all.usd).toBeGreaterThan(0)
    expect(late).toEqual({ usd: all.usd / 2, known: 1, unknown: 1 })
    expect(later).toEqual({ usd: 0, known: 0, unknown: 1 })
  })

  test('is unknown of a call that broke off, and nothing of one that was turned down', async () => {
    const answer = { error: { type: 'overloaded', message: 'off' } }
    const record = (name: string, status: number): Promise<void> =>
      recordSteps(
        join(folder, name),
        chatSteps(talk, { id: name }).map((step) => Object.assign(step, { status, answer })),
      )
    await record('a.jsonl', 200)
    await record('b.jsonl', 529)

    const all = await spendSince(home, 0, { catchUpMs: 60_000 })

    expect(all).toEqual({ usd: 0, known: 0, unknown: 2 })
    expect(
      await withIndex(folder, options, async (db) =>
        [...totalsOfCaptures(db).values()].map(({ unknownCosts }) => unknownCosts),
      ),
    ).toEqual([2, 0])
  })

  test('is nothing where nothing is recorded', async () => {
    expect(await spendSince(home, 0, { catchUpMs: 1000 })).toEqual({ usd: 0, known: 0, unknown: 0 })
    expect(readdirSync(folder)).toEqual([])
  })
})

test('the totals of a capture are those of its calls', async () => {
  await recordSteps(join(folder, 'a.jsonl'), claudeCodeDay())
  await recordSteps(join(folder, 'b.jsonl'), chatSteps(talk))

  const totals = await withIndex(folder, options, async (db) => {
    await catchUp(db, folder)
    return totalsOfCaptures(db)
  })

  expect(totals.get('b')).toMatchObject({
    calls: 2,
    failedCalls: 0,
    tokens: 2200,
    unknownCosts: 0,
    models: ['gpt-4o-2024-08-06'],
    problems: 0,
  })
  expect(totals.get('a')).toMatchObject({ calls: 12, failedCalls: 2 })
})
