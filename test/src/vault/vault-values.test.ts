import { expect, onTestFinished, test } from 'vitest'

import { canary } from '../../support/canary.ts'
import { agent, makeVault, secret } from '../../support/vault.ts'
import type { VaultUnderTest } from '../../support/vault.ts'

async function bench(): Promise<VaultUnderTest> {
  const vault = await makeVault({ env: { REFERRED: `${canary}-referred-1` } })
  onTestFinished(() => vault.close())
  return vault
}

const select = (
  read: ReturnType<VaultUnderTest['read']>,
): ReturnType<typeof read.credentials.select> =>
  read.credentials.select({ host: 'a.example', port: 443, path: '/', agent: 'all' })

test('all values are known once the vault was opened, without any request', async () => {
  const vault = await bench()
  await vault.writable.secrets.add(secret('one', 'a.example', `${canary}-0001`))
  await vault.writable.secrets.add(secret('two', 'b.example', `${canary}-0002`))
  const read = vault.read()

  await read.credentials.unlock()

  expect(read.values.find(`${canary}-0002 ${canary}-0001 ${canary}-0003`)).toMatchObject([
    { secretId: 'two' },
    { secretId: 'one' },
  ])
})

test('what is added or changed while a proxy runs is known soon, and what was goes on being it', async () => {
  const vault = await bench()
  const { secrets } = vault.writable
  await secrets.add(secret('one', 'a.example', `${canary}-0001`))
  const read = vault.read()
  await read.credentials.unlock()

  await secrets.add(secret('two', 'b.example', `${canary}-0002`))
  await secrets.remove('one')

  await expect.poll(() => read.values.find(`${canary}-0002`).length, { timeout: 15_000 }).toBe(1)
  expect(read.values.find(`${canary}-0001`)).toMatchObject([{ secretId: 'one' }])
})

test('what a reference leads to is known from when it was followed', async () => {
  const vault = await bench()
  const content = { kind: 'reference', text: 'env://REFERRED' } as const
  await vault.writable.secrets.add(secret('one', 'a.example', '', { content }))
  vault.writable.agents.add(agent('all', { secrets: 'all' }))
  const read = vault.read()
  await read.credentials.unlock()
  expect(read.values.find(`${canary}-referred-1`)).toEqual([])

  const [selected] = select(read)
  await selected?.reveal()

  expect(read.values.find(`${canary}-referred-1`)).toMatchObject([{ secretId: 'one' }])
})
