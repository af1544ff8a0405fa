import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { discover } from '../../../src/control/client.ts'
import {
  answersAt,
  listDescriptors,
  removeOrphans,
  writeDescriptor,
} from '../../../src/control/descriptor.ts'

let folder = ''
const servers: Server[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'porthole-descriptor-'))
})
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  rmSync(folder, { recursive: true })
})

async function listenAt(path: string): Promise<void> {
  const server = createServer()
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(path, resolve))
}

/** A socket file that a killed process left behind. */
function leaveDeadSocket(path: string): void {
  const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', program])
  expect(statSync(path).isSocket()).toBe(true)
}

const base = { url: 'http://127.0.0.1:1', startedAt: 2, version: '1' }

test('lists what was written, oldest first, and nothing else', async () => {
  const late = { ...base, pid: 1, socket: '/1.sock', startedAt: 9 }
  const early = { ...base, pid: 2, socket: '/2.sock', command: 'claude' }
  await writeDescriptor(join(folder, '1.json'), late)
  await writeDescriptor(join(folder, '2.json'), early)
  writeFileSync(join(folder, '3.json'), '{"pid":"three"}')
  writeFileSync(join(folder, '4.json'), `{"pad":"${'x'.repeat(70_000)}"}`)

  expect(await listDescriptors(folder)).toEqual([early, late])
  expect(await listDescriptors(join(folder, 'missing'))).toEqual([])
  expect(readdirSync(folder)).toHaveLength(4)
})

test('keeps a proxy that answers and removes all of one that was killed', async () => {
  const living = { ...base, pid: 1, socket: join(folder, '1.sock') }
  const dead = { ...base, pid: 2, socket: join(folder, '2.sock') }
  await listenAt(living.socket)
  leaveDeadSocket(dead.socket)
  await writeDescriptor(join(folder, '1.json'), living)
  await writeDescriptor(join(folder, '2.json'), dead)

  expect(await discover(folder)).toEqual([living])
  expect(readdirSync(folder).sort()).toEqual(['1.json', '1.sock'])
})

test('removes a dead socket without a descriptor once it is old', async () => {
  const fresh = join(folder, '1.sock')
  const old = join(folder, '2.sock')
  const living = join(folder, '3.sock')
  leaveDeadSocket(fresh)
  leaveDeadSocket(old)
  await listenAt(living)
  const now = Date.now()
  const before = now / 1000 - 120
  utimesSync(old, before, before)
  utimesSync(living, before, before)

  await removeOrphans(folder, now)

  expect(readdirSync(folder).sort()).toEqual(['1.sock', '3.sock'])
})

test('knows whether anything listens', async () => {
  await listenAt(join(folder, '1.sock'))

  expect(await answersAt(join(folder, '1.sock'))).toBe(true)
  expect(await answersAt(join(folder, '2.sock'))).toBe(false)
})
