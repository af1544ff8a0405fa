import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { pruneAudit, recordAct } from '../../../src/audit/acts.ts'
import { openAuditDatabase } from '../../../src/audit/audit-database.ts'
import { encodeAct, encodeActOutcome } from '../../../src/audit/entry.ts'
import { lastRecordedState, standingOf } from '../../../src/audit/vault-record.ts'
import type { VaultStanding } from '../../../src/audit/vault-record.ts'
import { verifyAudit } from '../../../src/audit/verify.ts'
import { standingProblem } from '../../../src/cli/vault-standing.ts'
import { decisionBody, makeAudit, outcomeBody, session } from '../../support/audit.ts'
import type { AuditUnderTest } from '../../support/audit.ts'
import { runCommand } from '../../support/command-line.ts'

let file: AuditUnderTest
beforeEach(async () => {
  file = await makeAudit()
})
afterEach(() => file.close())

const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(64))
const standing = (state: string | undefined): VaultStanding => standingOf(file.audit, () => state)

/** An act on the vault, at its end in this state. */
function acted(id: string, end?: { vault?: string | undefined; error?: string }, at = 5000): void {
  file.audit.append([
    encodeAct({ user: 'alice', action: 'agents add', target: id }, `act_${id}`, at, session),
  ])
  if (end !== undefined) file.audit.append([encodeActOutcome(`act_${id}`, end, at, session)])
}

describe('a vault by the audit', () => {
  test('is as expected where the last act left it so, and where nothing is known', () => {
    expect(standing(a)).toEqual({ type: 'expected' })
    acted('1', { vault: a })
    file.audit.append([decisionBody(), outcomeBody()])

    expect(standing(a)).toEqual({ type: 'expected' })
  })

  test('is older where an earlier act left it so', () => {
    for (const [id, vault] of [a, b, c].entries()) acted(`${id}`, { vault })

    expect(standing(a)).toEqual({ type: 'older', number: 2, missing: 2 })
    expect(standing(b)).toEqual({ type: 'older', number: 4, missing: 1 })
  })

  test('that came back to where it once was is as expected', () => {
    for (const [id, vault] of [a, b, a].entries()) acted(`${id}`, { vault })

    expect(standing(a)).toEqual({ type: 'expected' })
    expect(standing(b)).toEqual({ type: 'older', number: 4, missing: 1 })
  })

  test('is changed, or gone, where no act left it so', () => {
    acted('1', { vault: a })

    expect(standing(b)).toEqual({ type: 'changed', number: 2, at: 5000 })
    expect(standing(undefined)).toEqual({ type: 'gone', number: 2, at: 5000 })
  })

  test('is nobody’s guess after an act that was cut off, or whose state was not told', () => {
    acted('1', { vault: a })
    acted('2', { error: 'ERR_NAME_TAKEN' })
    expect(standing(b).type).toBe('changed')
    acted('3')
    expect(standing(b)).toEqual({ type: 'expected' })

    acted('4', { vault: b }, 5_000_000)
    expect(standing(a).type).toBe('older')
    acted('5', {}, 5_000_001)
    expect(standing(a)).toEqual({ type: 'expected' })
  })

  test('is known still where what told of it was pruned', () => {
    acted('1', { vault: a })
    const options = { path: file.path, pid: 1, now: () => 9000 }
    expect(pruneAudit(options, { user: 'alice', before: 8000 })).toBe(2)

    expect(lastRecordedState(file.audit)).toBe(a)
    expect(standing(b).type).toBe('changed')
    expect(verifyAudit(file.audit)).toMatchObject({ ok: true })
  })

  test('is nobody’s guess after a prune either, where an act was cut off before it', () => {
    acted('1', { vault: a })
    acted('2', undefined, 6000)
    acted('3', { error: 'ERR_NAME_TAKEN' }, 9_000_000)
    const options = { path: file.path, pid: 1, now: () => 9_000_000 }
    expect(standing(b)).toEqual({ type: 'expected' })
    expect(pruneAudit(options, { user: 'alice', before: 5500 })).toBe(2)

    expect(standing(b)).toEqual({ type: 'expected' })
  })

  test('is looked at again where an act ends between the two looks', () => {
    acted('1', { vault: a })
    const states = [a, b]
    const found = standingOf(file.audit, () => {
      const state = states.shift()
      if (states.length > 0) acted('2', { vault: b })
      return state
    })

    expect(found).toEqual({ type: 'expected' })
    expect(states).toEqual([])
  })

  test('is known after an act that changed it and failed then', async () => {
    let state = a
    const options = { path: file.path, pid: 1, now: () => 5000, vaultState: () => state }
    acted('1', { vault: a })
    const act = { user: 'alice', action: 'secrets rotate-key' }
    const failing = recordAct(options, act, () => {
      state = b
      throw new Error('no room to tidy up')
    })

    await expect(failing).rejects.toThrow('no room to tidy up')
    expect(standing(b)).toEqual({ type: 'expected' })
    expect(standing(a)).toMatchObject({ type: 'older', missing: 1 })
  })

  test('that cannot be read keeps no failure from being recorded', async () => {
    const unreadable = (): never => {
      throw new Error('damaged')
    }
    const options = { path: file.path, pid: 1, now: () => 5000, vaultState: unreadable }
    const act = { user: 'alice', action: 'agents add' }

    await expect(recordAct(options, act, unreadable)).rejects.toThrow('damaged')
    expect(file.audit.head.count).toBe(2)
  })

  test('is not claimed to be unchanged where an act was done and its end cannot be recorded', async () => {
    const other = new Sqlite(file.path)
    const options = { path: file.path, pid: 1, now: () => 5000, vaultState: () => b }
    const act = { user: 'alice', action: 'agents add' }
    acted('1', { vault: a })
    const done = recordAct(options, act, () => void other.exec('begin immediate'))

    await expect(done).rejects.toMatchObject({ code: 'ERR_AUDIT_UNENDED' })
    await expect(done).rejects.toThrow(/^agents add was done, but .+ another process is writing/u)
    other.close()
    expect(standing(b)).toEqual({ type: 'expected' })
  }, 30_000)

  test('is told in the order in which acts ended, however many run at once', async () => {
    let state = 0
    const options = {
      path: file.path,
      pid: 1,
      now: () => 5000,
      vaultState: () => `${state}`,
    }
    const act = { user: 'alice', action: 'agents add' }
    const waits = Array.from({ length: 8 }, () => Promise.withResolvers<undefined>())
    const acts = waits.map(({ promise }) =>
      recordAct(options, act, async () => {
        await promise
        state += 1
      }),
    )
    for (const { resolve } of waits.toReversed()) resolve(undefined)
    await Promise.all(acts)

    expect(standing('8')).toEqual({ type: 'expected' })
  })
})

describe('commands', () => {
  let home = ''
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'porthole-standing-'))
  })
  afterEach(() => rm(home, { recursive: true, force: true }))

  const porthole = (args: readonly string[], env = {}): ReturnType<typeof runCommand> =>
    runCommand(home, args, { env })
  const verify = async (): Promise<string> => (await porthole(['audit', '--verify'])).err
  const database = (): string => join(home, 'porthole.db')

  function tamper(sql: string): void {
    const raw = new Sqlite(database())
    raw.exec(sql)
    raw.close()
  }

  async function makeTwoStates(): Promise<string> {
    await porthole(['agents', 'add', 'one'])
    const kept = join(home, 'kept.db')
    tamper('pragma wal_checkpoint(truncate)')
    await copyFile(database(), kept)
    await porthole(['agents', 'add', 'two'])
    return kept
  }

  async function putBack(kept: string): Promise<void> {
    for (const ending of ['-wal', '-shm']) await rm(`${database()}${ending}`, { force: true })
    await copyFile(kept, database())
  }

  test('S13 tell that an older vault was put back, in one line, until something is changed', async () => {
    const kept = await makeTwoStates()
    expect(await verify()).toBe('')
    await putBack(kept)

    const told =
      'porthole: the vault is as it was after entry 2 of the audit, without 1 later change: an older ' +
      'porthole.db was put back; porthole audit shows what is missing\n'
    expect(await verify()).toBe(told)
    const next = await porthole(['agents', 'add', 'three'])
    expect(next.failure).toBeUndefined()
    expect(next.err.startsWith(told)).toBe(true)
    expect(await verify()).toBe('')
  })

  test.each([
    ['an agent', `update agents set hosts = null, sees_all = 1`],
    ['a rule', `delete from rules`],
  ])('S13 tell that %s was changed by other means', async (_what, sql) => {
    await porthole(['rules', 'add', 'block', '--model', 'gpt-4*'])
    await porthole(['agents', 'add', 'one', '--hosts', 'a.example'])
    tamper(sql)

    expect(await verify()).toContain('the vault is not as the audit last saw it (entry 4, ')
  })

  test('S13 tell that the vault was taken away, and its rules with it', async () => {
    await makeTwoStates()
    for (const ending of ['', '-wal', '-shm']) await rm(`${database()}${ending}`, { force: true })

    expect(await verify()).toContain('is not there: its secrets, agents and rules hold no more')
  })

  test('leave it to others to say that an audit or a vault cannot be read', async () => {
    await makeTwoStates()
    const raw = new Sqlite(join(home, 'audit.db'))
    raw.exec('alter table entries rename to others')
    raw.close()
    expect(await standingProblem(home)).toBeUndefined()
    await rm(join(home, 'audit.db'))
    expect(await standingProblem(home)).toBeUndefined()
    await porthole(['agents', 'add', 'three'])
    await writeFile(database(), 'no database')

    expect(await standingProblem(home)).toBeUndefined()
  })

  test('say what may have been, where the audit was off', async () => {
    await makeTwoStates()
    await porthole(['agents', 'add', 'three'], { PORTHOLE_AUDIT: 'off' })

    expect(await verify()).toContain('or with PORTHOLE_AUDIT=off')
  })

  test('see nothing amiss in what they do themselves', async () => {
    await makeTwoStates()
    await porthole(['agents', 'revoke', 'two'])
    await porthole(['agents', 'revoke', 'two'])
    await porthole(['rules', 'add', 'block', '--model', 'gpt-4*', '--name', 'r'])
    await porthole(['secrets', 'rotate-key'])
    await porthole(['ca', 'rotate'])
    await porthole(['secrets', 'list'])
    const all = openAuditDatabase(join(home, 'audit.db'), { survives: 'system' })
    all.append([decisionBody()])
    all.close()

    expect(await verify()).toBe('')
  })
})
