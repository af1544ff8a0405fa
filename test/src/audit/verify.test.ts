import { readFile } from 'node:fs/promises'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { pruneAudit } from '../../../src/audit/acts.ts'
import { openAuditDatabase } from '../../../src/audit/audit-database.ts'
import { hashEntry } from '../../../src/audit/entry.ts'
import { verifyAudit } from '../../../src/audit/verify.ts'
import { decisionBody, makeAudit, outcomeBody } from '../../support/audit.ts'
import type { AuditUnderTest } from '../../support/audit.ts'

let bench: AuditUnderTest
beforeEach(async () => {
  bench = await makeAudit()
})
afterEach(() => bench.close())

/** Ten entries, five exchanges, a second apart. */
function fill(): void {
  for (let index = 1; index <= 5; index += 1) {
    const exchangeId = `x${index}`
    bench.audit.append([decisionBody({ exchangeId }, index * 1000)])
    bench.audit.append([outcomeBody({ exchangeId }, index * 1000 + 500)])
  }
}

function prune(before: number): number {
  const options = { path: bench.path, pid: 1, now: () => 100_000 }
  return pruneAudit(options, { user: 'alice', before })
}

describe('a chain', () => {
  test('that nobody has touched holds, and names its head', () => {
    fill()

    expect(verifyAudit(bench.audit)).toEqual({
      ok: true,
      head: bench.audit.head,
      entries: 10,
      pruned: 0,
    })
  })

  test('without an entry holds', () => {
    expect(verifyAudit(bench.audit)).toMatchObject({ ok: true, entries: 0 })
  })

  test('of one file is none of another: it begins at random', async () => {
    const other = await makeAudit()
    bench.audit.append([decisionBody()])
    other.audit.append([decisionBody()])

    expect(bench.audit.head.hash).not.toBe(other.audit.head.hash)
    await other.close()
  })

  test('survives being closed, and goes on where it was', () => {
    fill()
    const again = openAuditDatabase(bench.path, { survives: 'process' })
    again.append([decisionBody()])
    again.close()

    expect(verifyAudit(bench.audit)).toMatchObject({ ok: true, entries: 11 })
  })
})

const zeros = '0'.repeat(64)

describe('a chain that was tampered with breaks', () => {
  test.each<[what: string, sql: string, number: number, problem: RegExp]>([
    [
      'where an entry was edited',
      `update entries set body = replace(body, '/v1/models', '/v1/things') where number = 3`,
      3,
      /was changed/u,
    ],
    [
      'where a refusal was made a permission',
      `update entries set body = replace(body, '"allow"', '"tunnel"') where number = 7`,
      7,
      /was changed/u,
    ],
    [
      'where the time of an entry was edited',
      `update entries set body = replace(body, '"at":1000', '"at":1001') where number = 1`,
      1,
      /was changed/u,
    ],
    [
      'where a hash was edited',
      `update entries set hash = '${zeros}' where number = 4`,
      4,
      /was changed/u,
    ],
    ['where an entry was removed', 'delete from entries where number = 5', 5, /is missing/u],
    ['where several were removed', 'delete from entries where number in (2, 3)', 2, /missing/u],
    ['at its beginning, removed', 'delete from entries where number <= 2', 1, /is missing/u],
    ['at its end, cut off', 'delete from entries where number > 8', 9, /cut off/u],
    ['where all of it is gone', 'delete from entries', 1, /cut off/u],
    [
      'where entries were reordered',
      `update entries set number = -2 where number = 2;
       update entries set number = 2 where number = 4;
       update entries set number = 4 where number = -2`,
      2,
      /was changed, or does not follow/u,
    ],
    [
      'where bodies were swapped',
      `update entries set body = (select body from entries where number = 6) where number = 8`,
      8,
      /was changed/u,
    ],
    [
      'where an entry was put in at the end',
      `insert into entries (number, body, hash) select 11, body, hash from entries where number = 1`,
      11,
      /was changed, or does not follow/u,
    ],
    [
      'where an entry was put in before the beginning',
      `insert into entries (number, body, hash) select 0, body, hash from entries where number = 1`,
      0,
      /before the beginning/u,
    ],
    [
      'where one was put in between, the rest renumbered',
      `update entries set number = number + 100 where number > 3;
       insert into entries (number, body, hash) select 4, body, hash from entries where number = 1;
       update entries set number = number - 99 where number > 100;
       update chain set count = 11`,
      4,
      /was changed, or does not follow/u,
    ],
    ['where its id was replaced', `update chain set id = '${zeros}'`, 1, /without a record/u],
    [
      'where id and beginning were replaced',
      `update chain set id = '${zeros}', pruned_hash = '${zeros}'`,
      1,
      /was changed, or does not follow/u,
    ],
    ['where its head was set back', 'update chain set count = 8', 9, /were put in/u],
    [
      'where end and head were cut off together',
      `delete from entries where number > 8; update chain set count = 8`,
      8,
      /is not the end that the head names/u,
    ],
    [
      'where its beginning was removed as if for its age',
      `delete from entries where number <= 4;
       update chain set pruned = 4, pruned_hash =
         (select '${zeros}')`,
      5,
      /was changed, or does not follow/u,
    ],
  ])('%s', (_what, sql, number, problem) => {
    fill()
    bench.tamper(sql)

    expect(verifyAudit(bench.audit)).toEqual({
      ok: false,
      number,
      problem: expect.stringMatching(problem),
    })
  })

  test('where its beginning was removed with the right hash, but no record of that', () => {
    fill()
    bench.tamper(`
      update chain set pruned = 4, pruned_hash = (select hash from entries where number = 4);
      delete from entries where number <= 4`)

    expect(verifyAudit(bench.audit)).toMatchObject({
      ok: false,
      number: 5,
      problem: expect.stringContaining('without a record'),
    })
  })

  test('where something was put in that is chained, but no entry', () => {
    fill()
    const { count, hash } = bench.audit.head
    const body = '{"v":1,"kind":"gossip"}'
    const next = hashEntry(hash, count + 1, body)
    bench.tamper(`
      insert into entries (number, body, hash) values (${count + 1}, '${body}', '${next}');
      update chain set count = ${count + 1}, hash = '${next}'`)

    expect(verifyAudit(bench.audit)).toMatchObject({
      ok: false,
      number: 11,
      problem: expect.stringContaining('no entry that Porthole writes'),
    })
  })

  test.each([
    [
      'its index hides rows',
      `pragma writable_schema = on;
       update sqlite_schema set sql = replace(sql, '''outcome''', '''none''') where name = 'outcomes'`,
    ],
    [
      'a trigger would hide what comes',
      `create trigger hide after insert on entries begin delete from entries; end`,
    ],
  ])('where %s', (_what, sql) => {
    fill()
    bench.tamper(sql)

    const reopened = openAuditDatabase(bench.path, { survives: 'system' })
    expect(verifyAudit(reopened)).toEqual({
      ok: false,
      number: 0,
      problem: 'tables or indexes of the database were changed',
    })
    reopened.close()
  })
})

describe('a head that was kept elsewhere', () => {
  test('is found in the chain as long as it is the one', () => {
    fill()
    const kept = bench.audit.head
    bench.audit.append([decisionBody({}, 9000)])

    expect(verifyAudit(bench.audit, { number: kept.count, hash: kept.hash })).toMatchObject({
      ok: true,
    })
    expect(verifyAudit(bench.audit, { hash: kept.hash })).toMatchObject({ ok: true })
    expect(verifyAudit(bench.audit, { number: 3, hash: kept.hash })).toMatchObject({ ok: false })
  })

  test('tells that the whole chain was made anew', () => {
    fill()
    const kept = bench.audit.head
    // Somebody who knows how the chain is made: by itself, what is left holds.
    bench.tamper(`
      delete from entries where number > 8;
      update chain set count = 8, hash = (select hash from entries where number = 8)`)

    expect(verifyAudit(bench.audit)).toMatchObject({ ok: true, entries: 8 })
    expect(verifyAudit(bench.audit, { number: kept.count, hash: kept.hash })).toMatchObject({
      ok: false,
      problem: expect.stringContaining('another chain, or a shorter one'),
    })
  })
})

describe('a chain that was pruned', () => {
  test('holds from its checkpoint on, and counts what went', () => {
    fill()

    expect(prune(3000)).toBe(4)
    // The act and its outcome were appended.
    expect(verifyAudit(bench.audit)).toMatchObject({ ok: true, entries: 8, pruned: 4 })
    expect(bench.audit.head.count).toBe(12)
  })

  test('can be pruned again, all but the record of that', () => {
    fill()
    prune(3000)

    expect(prune(200_000)).toBe(8)
    expect(verifyAudit(bench.audit)).toMatchObject({ ok: true, entries: 2, pruned: 12 })
    expect(prune(1)).toBe(0)
    expect(verifyAudit(bench.audit)).toMatchObject({ ok: true, entries: 2, pruned: 12 })
  })

  test('still knows the head that it was pruned to, and none before', () => {
    fill()
    const [before, at] = [{ number: 2, hash: zeros }, bench.audit.head]
    prune(200_000)

    expect(verifyAudit(bench.audit, { number: at.count, hash: at.hash })).toMatchObject({
      ok: true,
    })
    expect(verifyAudit(bench.audit, before)).toMatchObject({
      ok: false,
      problem: expect.stringContaining('removed for its age'),
    })
  })

  test('breaks where more was removed than the record says', () => {
    fill()
    prune(3000)
    bench.tamper(`
      update chain set pruned = 6, pruned_hash = (select hash from entries where number = 6);
      delete from entries where number <= 6`)

    expect(verifyAudit(bench.audit)).toMatchObject({
      ok: false,
      problem: expect.stringContaining('without a record'),
    })
  })

  test('keeps no text of what was removed', async () => {
    bench.audit.append([decisionBody({ path: '/gone-for-good' }, 1000)])
    bench.audit.append([decisionBody({ path: '/stays' }, 9000)])

    expect(prune(3000)).toBe(1)

    const files = await Promise.all(
      ['', '-wal'].map((end) => readFile(`${bench.path}${end}`, 'latin1').catch(() => '')),
    )
    expect(files.join('')).toContain('/stays')
    expect(files.join('')).not.toContain('/gone-for-good')
  })
})
