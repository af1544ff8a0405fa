/** A process that writes to the vault is killed at any instant: what it acknowledged is there. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { makeVault } from '../support/vault.ts'

const writer = join(import.meta.dirname, '..', 'fixtures', 'vault', 'vault-writer.ts')
const kills = 6

/** Runs the writer until `afterMs` past its first line; what it acknowledged by then. */
async function writeUntilKilled(home: string, first: number, afterMs: number): Promise<string[]> {
  const child = spawn(process.execPath, [writer, home, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let told = ''
  child.stdout.on('data', (chunk: Buffer) => {
    if (told === '') setTimeout(() => child.kill('SIGKILL'), afterMs)
    told += chunk.toString()
  })
  const [, signal] = (await once(child, 'close')) as [number | null, string | null]
  expect(signal).toBe('SIGKILL')
  // A line that was cut off was not acknowledged.
  return told
    .split('\n')
    .slice(0, -1)
    .filter((line) => line !== 'ready')
}

test('every secret that was acknowledged opens, whenever the process was killed', async () => {
  const vault = await makeVault()
  vault.writable.close()
  const acknowledged: string[] = []
  try {
    for (let round = 0; round < kills; round += 1) {
      // Each writer begins at names of its own.
      const afterMs = Math.floor(Math.random() * 500)
      const done = await writeUntilKilled(vault.home, round * 1000, afterMs)
      acknowledged.push(...done)
      const { credentials } = vault.read({ unrestricted: 'porthole' })

      for (const name of acknowledged) {
        const number = name.slice(1)
        const request = { host: `h${number}.example`, port: 443, path: '/', agent: 'porthole' }
        const [found] = credentials.select(request)
        expect({ name, afterMs, value: await found?.reveal() }).toEqual({
          name,
          afterMs,
          value: `value-of-${number}`,
        })
      }
    }
    expect(acknowledged.length).toBeGreaterThan(0)
  } finally {
    await vault.close()
  }
}, 120_000)
