import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'

import { expect, test } from 'vitest'

import { withInheritedCoreDumps } from '../../../src/run/core-dumps.ts'

const source = new URL('../../../src/run/core-dumps.ts', import.meta.url).href

test('what starts a program is run, and its result or error handed on', () => {
  expect(withInheritedCoreDumps(() => 'started')).toBe('started')
  expect(() =>
    withInheritedCoreDumps(() => {
      throw new Error('no such program')
    }),
  ).toThrow('no such program')
})

test.runIf(existsSync('/proc/self/coredump_filter'))(
  'memory is left out of dumps, but for programs, also where one cannot be started',
  async () => {
    const program = `
      import { spawnSync } from 'node:child_process'
      import { readFileSync, writeFileSync } from 'node:fs'
      const path = '/proc/self/coredump_filter'
      const { keepMemoryOutOfCoreDumps, withInheritedCoreDumps } = await import(${JSON.stringify(source)})
      writeFileSync(path, '0x21')
      const seen = []
      const look = () => seen.push(Number.parseInt(readFileSync(path, 'latin1'), 16))
      const ask = (file) => spawnSync(file, [path], { encoding: 'latin1' }).stdout ?? ''
      keepMemoryOutOfCoreDumps()
      keepMemoryOutOfCoreDumps()
      look()
      seen.push(Number.parseInt(withInheritedCoreDumps(() => ask('cat')), 16))
      look()
      withInheritedCoreDumps(() => ask('/no/such/program'))
      look()
      seen.push(Number.parseInt(ask('cat'), 16))
      console.log(JSON.stringify(seen))`

    const { stdout } = await promisify(execFile)(process.execPath, [
      '--input-type=module',
      '--eval',
      program,
    ])

    expect(JSON.parse(stdout)).toEqual([0, 0x21, 0, 0, 0])
  },
)
