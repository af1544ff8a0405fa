import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { listCaptureSets } from '../../../../src/capture/capture-sets.ts'
import type { IndexDatabase } from '../../../../src/capture/index/database.ts'
import { openIndex } from '../../../../src/capture/index/database.ts'
import { searchCalls } from '../../../../src/capture/index/filtered-search.ts'
import { catchUp } from '../../../../src/capture/index/indexer.ts'
import { toMatch } from '../../../../src/capture/index/search-query.ts'
import { findCalls, snippetOf } from '../../../../src/capture/index/search.ts'
import { parseFilter } from '../../../../src/query/filter.ts'
import { claudeCodeDay } from '../../../support/agent-transcripts.ts'
import { chatSteps, recordSteps } from '../../../support/recorded-captures.ts'

let folder = ''
let db: IndexDatabase

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-search-'))
  db = await openIndex(join(folder, 'index.db'), { onNotice: () => {} })
})
afterEach(() => {
  db.close()
  rmSync(folder, { recursive: true })
})

const capture = (name = 'a'): string => join(folder, `${name}.jsonl`)

async function search(text: string, filter?: string, limit = 100): Promise<string[]> {
  const parsed = parseFilter(filter ?? '')
  if (!parsed.ok) throw new Error(parsed.problem)
  const options = {
    match: toMatch(text),
    limit,
    ...(filter === undefined ? {} : { filter: parsed.filter }),
  }
  const { rows } = await searchCalls(db, await listCaptureSets(folder), options)
  return rows.map((row) => row.exchange_id)
}

describe('what is found', () => {
  test('comes in the order of how well it fits, then the latest first', async () => {
    await recordSteps(
      capture(),
      chatSteps([
        { asked: 'tell me of cats, dogs, birds and of all the other animals', answered: 'Yes.' },
        { asked: 'the cats', answered: 'cats' },
        { asked: 'something else', answered: 'else' },
      ]),
    )
    const late = [
      { asked: 'hello', answered: 'hi' },
      { asked: 'the cats', answered: 'cats' },
    ]
    await recordSteps(capture('b'), chatSteps(late, { at: 9e6, id: 'y' }))
    await catchUp(db, folder)

    expect(await search('cats')).toEqual(['y2', 'x2', 'x1'])
    expect(await search('')).toEqual(['y2', 'y1', 'x3', 'x2', 'x1'])
    expect(await search('cats', undefined, 1)).toEqual(['y2'])
  })

  test('is of the time that was asked for', async () => {
    await recordSteps(capture(), chatSteps([{ asked: 'early', answered: 'word' }]))
    await recordSteps(
      capture('b'),
      chatSteps([{ asked: 'late', answered: 'word' }], { at: 9e6, id: 'y' }),
    )
    await catchUp(db, folder)

    expect(findCalls(db, { match: '"word"' })).toHaveLength(2)
    expect(findCalls(db, { match: '"word"', since: 1_700_000_001_000 })).toHaveLength(1)
    expect(findCalls(db, { since: 1_800_000_000_000 })).toEqual([])
  })

  test('is shown with what stands around it, marked', async () => {
    const asked = `${'before '.repeat(50)} needle ${'after '.repeat(50)}`
    await recordSteps(capture(), chatSteps([{ asked, answered: 'ok' }]))
    await catchUp(db, folder)
    const [id = 0] = findCalls(db, { match: '"needle"' })

    expect(snippetOf(db, id, '"needle"')).toMatch(/^…before .*\u0002needle\u0003.*after…$/u)
    expect(snippetOf(db, id, undefined)).toContain('after')
  })
})

describe('a filter', () => {
  beforeEach(async () => {
    await recordSteps(capture(), claudeCodeDay())
    await recordSteps(capture('b'), chatSteps([{ asked: 'hello', answered: 'world' }]))
    await catchUp(db, folder)
  })

  test.each([
    ['~model gpt', ['x1']],
    ['~tool Bash', ['main1']],
    ['~e', ['main3a', 'main3b']],
    ['~c 529', ['main3a', 'main3b']],
    ['~session 3d1c0d0e & ~model haiku', ['title']],
    ['~d openai', ['x1']],
    ['~cache hit & ~tool Task', ['main2']],
  ])('of what the index knows, %s, finds %j', async (filter, ids) => {
    expect((await search('', filter)).sort()).toEqual([...ids].sort())
  })

  test.each([
    ['~hq claude-cli & ~model haiku', ['title']],
    ['~bq "max_tokens.:1[,}]"', ['quota']],
    ['~bs chatcmpl', ['x1']],
    ['world', ['x1']],
    ['~bs chatcmpl | ~c 529', ['x1', 'main3a', 'main3b']],
  ])('of headers and bodies, %s, reads them in the capture', async (filter, ids) => {
    expect((await search('', filter)).sort()).toEqual([...ids].sort())
  })

  test('and words must both be right', async () => {
    expect(await search('hello', '~model gpt')).toEqual(['x1'])
    expect(await search('hello', '~model claude')).toEqual([])
  })

  test('of bodies matches nothing where the capture is gone, and says so by leaving it out', async () => {
    rmSync(capture('b'))

    expect(await search('', '~bs chatcmpl')).toEqual([])
  })
})
