/** Processes that charge one ledger are killed at any instant: what was written is counted by all. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { ledgerPathIn } from '../../src/ledger/ledger-path.ts'
import { Ledger } from '../../src/ledger/ledger.ts'

const writer = join(import.meta.dirname, '..', 'fixtures', 'ledger', 'ledger-writer.ts')
const kills = 4

/** Runs a writer until `afterMs` past line `from`; how many charges it had written by then. */
async function chargeUntilKilled(
  path: string,
  name: string,
  { afterMs, from }: { readonly afterMs: number; readonly from: number },
): Promise<number> {
  const child = spawn(process.execPath, [writer, path, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let told = ''
  const lines = (): number => told.split('\n').length - 1
  child.stdout.on('data', (chunk: Buffer) => {
    const before = lines()
    told += chunk.toString()
    if (before < from && lines() >= from) setTimeout(() => child.kill('SIGKILL'), afterMs)
  })
  const [, signal] = (await once(child, 'close')) as [number | null, string | null]
  expect(signal).toBe('SIGKILL')
  // A line that was cut off was not acknowledged.
  return Number(told.split('\n').slice(1, -1).at(-1) ?? 0)
}

test('no charge that was written is lost, whenever its process is killed', async () => {
  const home = await mkdtemp(join(tmpdir(), 'porthole-ledger-crash-'))
  const path = ledgerPathIn(home)
  const watcher = new Ledger({
    path,
    now: Date.now,
    onUnwritable: (error) => expect.unreachable(error.message),
  })
  const spentBy = (agent: string | undefined): number =>
    watcher.spent({ rule: 'r', agent, day: undefined }).calls
  try {
    let written = 0
    for (let round = 0; round < kills; round += 1) {
      const names = [`${round}a`, `${round}b`]
      // However slow the machine is: in the last round something is written.
      const from = round < kills - 1 ? 1 : 3
      const counts = await Promise.all(
        names.map((name) => {
          const afterMs = Math.floor(Math.random() * 400)
          return chargeUntilKilled(path, name, { afterMs, from })
        }),
      )
      for (const [index, name] of names.entries()) {
        // One more may have been written than could be acknowledged.
        expect(spentBy(name)).toBeGreaterThanOrEqual(counts[index] ?? Infinity)
        written += spentBy(name)
      }
      expect(spentBy(undefined)).toBe(written)
    }
    expect(written).toBeGreaterThan(0)
  } finally {
    watcher.close()
    await rm(home, { recursive: true, force: true })
  }
})
