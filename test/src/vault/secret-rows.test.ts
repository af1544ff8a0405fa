import Sqlite from 'better-sqlite3'
/** S13: a database that something else than Porthole has written to. Nothing in it opens then. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { vaultPathIn } from '../../../src/vault/vault-path.ts'
import { canary } from '../../support/canary.ts'
import { makeVault, secret } from '../../support/vault.ts'
import type { VaultUnderTest } from '../../support/vault.ts'

const first = `${canary}-first-value`
const second = `${canary}-second-value`
let vault: VaultUnderTest
let file: Sqlite.Database

beforeEach(async () => {
  vault = await makeVault()
  await vault.writable.secrets.add(secret('one', 'a.example', first, { path: '/v1/x' }))
  await vault.writable.secrets.add(secret('two', 'b.example', second, { path: '/v1/*' }))
  file = new Sqlite(vaultPathIn(vault.home))
})
afterEach(async () => {
  file.close()
  await vault.close()
})

/** What a proxy would send for a host; `refused` where it would send nothing. */
async function sent(host: string): Promise<string> {
  const { credentials } = vault.read({ unrestricted: 'porthole' })
  const request = { host, port: 443, path: '/v1/x', agent: 'porthole' }
  try {
    const [found] = credentials.select(request)
    return found === undefined ? 'nothing' : await found.reveal()
  } catch {
    return 'refused'
  }
}

test('as it was written, everything opens', async () => {
  expect(await sent('a.example')).toBe(first)
  expect(await sent('b.example')).toBe(second)
})

describe('S13 a database in which', () => {
  test.each([
    [
      'two ciphertexts changed places',
      `update secrets set sealed = (select sealed from secrets s where s.name <> secrets.name)`,
    ],
    [
      'two names changed places',
      "update secrets set name = case name when 'one' then 'x' else 'y' end",
    ],
    ['hosts were added', `update secrets set hosts = '["a.example","b.example","evil.example"]'`],
    ['a path was dropped', 'update secrets set path = null'],
    ['a path was widened', "update secrets set path = '/*'"],
    [
      'the place was changed',
      `update secrets set location = '{"type":"query","name":"k","ifPresent":false}'`,
    ],
    ['a variable was named', "update secrets set variable = 'OTHER_KEY'"],
    ['a variable that is none for keys was named', "update secrets set variable = 'LD_PRELOAD'"],
    ['a value became a command', "update secrets set kind = 'reference'"],
    ['the version went back', 'update secrets set version = version + 1'],
    ['the date was changed', 'update secrets set created_at = created_at - 1'],
    ['the id was changed', "update secrets set id = id || 'x'"],
    ['tags were cut', 'update secrets set sealed = substr(sealed, 1, length(sealed) - 12)'],
    ['ciphertexts were emptied', "update secrets set sealed = x''"],
    ['a bit was turned', "update secrets set sealed = cast(x'00' || substr(sealed, 2) as blob)"],
    ['the vault has another name', "update vault set id = 'vault_other'"],
    [
      'the data key was changed',
      "update data_keys set sealed = cast(x'00' || substr(sealed, 2) as blob)",
    ],
    ['the cost of the key was changed', `update data_keys set parameters = '{"key":"kek_x"}'`],
    ['the source of the key was changed', "update data_keys set source = 'environment'"],
    ['secrets were given to one agent', "update secrets set agent_id = 'agent_x'"],
    ['the manifest was emptied', "update data_keys set manifest = x''"],
  ])('%s sends no secret', async (_what, statement) => {
    file.pragma('foreign_keys = off')
    expect(file.prepare(statement).run().changes).toBeGreaterThan(0)

    expect(['refused', 'nothing']).toContain(await sent('a.example'))
    expect(['refused', 'nothing']).toContain(await sent('b.example'))
    expect(['refused', 'nothing']).toContain(await sent('evil.example'))
  })

  test('an older row was put back sends no secret, and takes no change', async () => {
    const old = file.prepare('select * from secrets where name = ?').get('one') as object
    await vault.writable.secrets.rotate('one', { kind: 'value', text: `${canary}-newer-value` })
    expect(await sent('a.example')).toBe(`${canary}-newer-value`)

    const set = Object.keys(old).map((name) => `${name} = @${name}`)
    file.prepare(`update secrets set ${set.join(', ')} where name = 'one'`).run(old)

    expect(await sent('a.example')).toBe('refused')
    await expect(
      vault.writable.secrets.add(secret('three', 'c.example', first)),
    ).rejects.toMatchObject({ code: 'ERR_VAULT_TAMPERED' })
    await expect(vault.writable.secrets.rotateKey()).rejects.toMatchObject({
      code: 'ERR_VAULT_TAMPERED',
    })
  })

  test('a removed secret was put back, or one was taken away, sends no secret', async () => {
    const row = file.prepare('select * from secrets where name = ?').get('two') as object
    await vault.writable.secrets.remove('two')
    const names = Object.keys(row)
    file
      .prepare(`insert into secrets (${names.join()}) values (${names.map((n) => `@${n}`).join()})`)
      .run(row)

    expect(await sent('a.example')).toBe('refused')
    expect(await sent('b.example')).toBe('refused')

    file.prepare("delete from secrets where name = 'one'").run()
    expect(await sent('b.example')).toBe('refused')
  })
})
