/** A process that writes to the vault is killed at any instant: what it acknowledged is there. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { hashAgentToken } from '../../src/vault/agent-token.ts'
import type { Vault } from '../../src/vault/vault.ts'
import { makeVault } from '../support/vault.ts'

const writer = join(import.meta.dirname, '..', 'fixtures', 'vault', 'vault-writer.ts')
const kills = 6
const kinds = ['secret', 'rule', 'agent', 'token']

interface Acknowledged {
  readonly what: string
  readonly number: string
  /** Of agents and tokens, what is shown once. */
  readonly shown: string
}

/** Runs the writer until `afterMs` past the line that says `from`; what it acknowledged by then. */
async function writeUntilKilled(
  home: string,
  first: number,
  { afterMs, from }: { readonly afterMs: number; readonly from: string },
): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [writer, home, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let told = ''
  child.stdout.on('data', (chunk: Buffer) => {
    const hadCome = told.includes(from)
    told += chunk.toString()
    if (!hadCome && told.includes(from)) setTimeout(() => child.kill('SIGKILL'), afterMs)
  })
  const [, signal] = (await once(child, 'close')) as [number | null, string | null]
  expect(signal).toBe('SIGKILL')
  // A line that was cut off was not acknowledged.
  return told
    .split('\n')
    .slice(1, -1)
    .map((line) => {
      const [what = '', number = '', shown = ''] = line.split(' ')
      return { what, number, shown }
    })
}

/** Whether it is there, and does what it was made for. */
async function isThere(vault: Vault, { what, number, shown }: Acknowledged): Promise<boolean> {
  const name = `n${number}`
  const request = { host: `h${number}.example`, port: 443, path: '/', agent: name }
  const value = `value-of-${number}`
  switch (what) {
    case 'secret': {
      const [found] = vault.credentials.select({ ...request, agent: 'porthole' })
      return (await found?.reveal()) === value
    }
    case 'rule':
      return vault.rules.current().rules.some((rule) => rule.name === name)
    case 'agent':
      return vault.agents.find([hashAgentToken(shown)])?.agent === name
    case 'token': {
      const looked = vault.tokens.lookup({ ...request, scheme: 'https' })
      const verdict = looked?.find('porthole', shown)
      return verdict?.decision === 'replace' && (await verdict.reveal()) === value
    }
    default:
      return expect.unreachable(what)
  }
}

test('every secret, rule, agent and token that was acknowledged is there, whenever the process was killed', async () => {
  const vault = await makeVault()
  vault.writable.close()
  const acknowledged: Acknowledged[] = []
  try {
    for (let round = 0; round < kills; round += 1) {
      // Each writer begins at names of its own.
      const afterMs = Math.floor(Math.random() * 500)
      // However slow the machine is: the last one gets as far as to the last kind of all.
      const from = round < kills - 1 ? 'ready' : '\ntoken '
      const first = round * 1000
      acknowledged.push(...(await writeUntilKilled(vault.home, first, { afterMs, from })))
      const read = vault.read({ unrestricted: 'porthole' })
      await read.credentials.unlock()

      const isHere = await Promise.all(acknowledged.map((each) => isThere(read, each)))
      const lost = acknowledged.filter((_each, index) => isHere[index] !== true)
      expect({ afterMs, lost }).toEqual({ afterMs, lost: [] })
    }
    expect(new Set(acknowledged.map(({ what }) => what))).toEqual(new Set(kinds))
  } finally {
    await vault.close()
  }
})
