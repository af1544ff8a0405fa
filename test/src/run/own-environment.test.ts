import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { fc, test } from '@fast-check/vitest'
import { describe, expect } from 'vitest'

import { valuesOf } from '../../../src/run/own-environment.ts'

const source = new URL('../../../src/run/own-environment.ts', import.meta.url).href

/** What a process prints that has hidden THE_KEY. */
async function run(program: string, env: Record<string, string>): Promise<string> {
  const whole = `
    import { readFileSync } from 'node:fs'
    const { hideVariables, readOwnEnvironment } = await import(${JSON.stringify(source)})
    const env = readOwnEnvironment()
    hideVariables(['THE_KEY', 'ABSENT', 'EMPTY'])
    ${program}`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', whole],
    { env: { PATH: process.env['PATH'], ...env } },
  )
  return stdout
}

describe.runIf(process.platform === 'linux')('variables that are hidden', () => {
  test('are no longer in /proc, and all others are', async () => {
    const env = { A: '1', EMPTY: '', THE_KEY: 'a=b öpen sesame', THE_KEY_TOO: 'kept', Z: 'end' }

    const out = await run(`console.log(readFileSync('/proc/self/environ', 'utf8'))`, env)

    expect(out).not.toContain('sesame')
    for (const kept of ['A=1', 'EMPTY=', 'THE_KEY_TOO=kept', 'Z=end']) {
      expect(out.split('\0')).toContain(kept)
    }
  })

  test('stay in the copy that is worked with, and are handed down to nobody', async () => {
    const program = `
      import { execFileSync } from 'node:child_process'
      console.log(JSON.stringify([
        env.THE_KEY, process.env.THE_KEY ?? null, execFileSync('env', { encoding: 'utf8' }),
      ]))`

    const [copy, own, below] = JSON.parse(await run(program, { THE_KEY: 'sesame', B: '2' })) as [
      unknown,
      unknown,
      string,
    ]

    expect([copy, own]).toEqual(['sesame', null])
    expect(below).toContain('B=2')
    expect(below).not.toContain('THE_KEY')
  })
})

describe('values in a block of the environment', () => {
  test('are found by whole names alone, wherever they stand', () => {
    const block = Buffer.from(
      'A=THE_KEY=x\0THE_KEY=one\0XTHE_KEY=y\0THE_KEY=\0noise\0THE_KEY=two=2',
    )
    const found = valuesOf(block, new Set(['THE_KEY']))

    expect(found.map(({ at, length }) => block.toString('utf8', at, at + length))).toEqual([
      'one',
      'two=2',
    ])
  })

  test.prop([fc.array(fc.constantFrom(0, 61, 65, 66), { maxLength: 60 })])(
    'lie within any block, and never touch a zero byte',
    (bytes) => {
      const block = Buffer.from(bytes)
      for (const { at, length } of valuesOf(block, new Set(['A', 'AB', '']))) {
        expect(length).toBeGreaterThan(0)
        expect(at + length).toBeLessThanOrEqual(block.byteLength)
        expect(block.subarray(at, at + length)).not.toContain(0)
      }
    },
  )
})
