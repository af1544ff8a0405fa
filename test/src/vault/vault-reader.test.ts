/** What a running proxy knows of a vault that other processes make, change, lock and take away. */
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { hashAgentToken } from '../../../src/vault/agent-token.ts'
import { vaultPathIn } from '../../../src/vault/vault-path.ts'
import { openVaultIn, readVaultIn } from '../../../src/vault/vault.ts'
import type { Vault, WritableVault } from '../../../src/vault/vault.ts'
import { canary } from '../../support/canary.ts'
import { agent, secret } from '../../support/vault.ts'

let home = ''
let reader: Vault
let writable: WritableVault | undefined
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'porthole-reader-'))
  reader = readVaultIn({ home, env: {}, unrestricted: 'porthole' })
  writable = undefined
})
afterEach(async () => {
  reader.close()
  writable?.close()
  await rm(home, { recursive: true, force: true })
})

const ids = (): string[] =>
  reader.credentials
    .select({ host: 'a.example', port: 443, path: '/', agent: 'porthole' })
    .map(({ id }) => id)

function write(): WritableVault {
  writable ??= openVaultIn({ home, env: {} })
  return writable
}

describe('a vault', () => {
  test('that is not there demands nothing, is not made, and is seen when it comes', async () => {
    expect(reader.agents.demandsToken()).toBe(false)
    expect(ids()).toEqual([])

    await write().secrets.add(secret('one', 'a.example', `${canary}-0123`))

    expect(ids()).toEqual(['one'])
    expect(reader.agents.demandsToken()).toBe(true)
  })

  test('demands tokens for good once it did: who was revoked last is not let in as nobody', () => {
    const { agents } = write()
    const token = agents.add(agent('last'))
    expect(reader.agents.demandsToken()).toBe(true)
    agents.revoke('last')

    expect(reader.agents.find([hashAgentToken(token)])).toBeUndefined()
    expect(reader.agents.demandsToken()).toBe(true)
  })

  test('is read as it is at each request', async () => {
    const { secrets } = write()
    await secrets.add(secret('one', 'a.example', `${canary}-0123`))
    expect(ids()).toEqual(['one'])
    await secrets.remove('one')
    expect(ids()).toEqual([])
  })

  test('tells of a change soon, without being asked', async () => {
    let told = 0
    write()
    const stop = reader.agents.subscribe(() => {
      told += 1
    })

    write().agents.add(agent('one'))

    await expect.poll(() => told, { timeout: 15_000 }).toBe(1)
    stop()
  })

  test('that a writer holds is read all the same', async () => {
    await write().secrets.add(secret('one', 'a.example', `${canary}-0123`))
    const other = new Sqlite(vaultPathIn(home))
    other.exec('begin immediate; delete from secrets')

    expect(ids()).toEqual(['one'])
    other.exec('rollback')
    other.close()
  })

  test('that was taken away lets nobody in and gives nothing', async () => {
    await write().secrets.add(secret('one', 'a.example', `${canary}-0123`))
    const token = write().agents.add(agent('one', { secrets: 'all' }))
    expect(ids()).toEqual(['one'])
    let told = 0
    reader.agents.subscribe(() => {
      told += 1
    })

    await rename(vaultPathIn(home), join(home, 'elsewhere'))
    await expect.poll(() => told, { timeout: 15_000 }).toBeGreaterThan(0)

    expect(ids).toThrow(expect.objectContaining({ code: 'ERR_VAULT_UNUSABLE' }))
    expect(reader.agents.demandsToken()).toBe(true)
    expect(reader.agents.find([Buffer.from(token)])).toBeUndefined()
  })

  test('that is damaged while in use gives nothing', async () => {
    await write().secrets.add(secret('one', 'a.example', `${canary}-0123`))
    expect(ids()).toEqual(['one'])
    const other = new Sqlite(vaultPathIn(home))
    other.prepare("update secrets set hosts = 'no JSON'").run()
    other.close()

    expect(ids).toThrow(expect.objectContaining({ code: 'ERR_VAULT_TAMPERED' }))
  })
})
