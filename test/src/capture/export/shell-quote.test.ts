import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { quoteBytes, quoteParts, quoteWord } from '../../../../src/capture/export/shell-quote.ts'

/** `sh` is some shell of the kind; where bash is there, it is asked too. */
const shells = ['/bin/sh', '/bin/bash'].filter((path) => existsSync(path))

function run(shell: string, script: string, env: Readonly<Record<string, string>> = {}): Buffer {
  // As `sh`, which reads no file of its user's first.
  const done = spawnSync(shell, [], {
    argv0: 'sh',
    input: script,
    env: { LC_ALL: 'C', ...env },
    maxBuffer: 1 << 20,
  })
  if (done.status !== 0) throw new Error(done.stderr.toString())
  return done.stdout
}

const nasty = fc.string({
  unit: fc.constantFrom(...Array.from('\'"\\$`!;&|()<>*?[]{}~#%\n\r\t -@=aé€😀\u0007\u001b')),
})

describe.each(shells)('in %s', (shell) => {
  property.prop([fc.array(fc.oneof(nasty, fc.string({ unit: 'binary' })), { maxLength: 5 })], {
    numRuns: 60,
  })('words stay what they are, whatever they hold', (given) => {
    const words = given.map((word) => word.replaceAll('\0', '').toWellFormed())
    const printed = run(shell, `printf '%s\\0' start ${words.map(quoteWord).join(' ')}`)

    expect(printed.toString()).toBe(['start', ...words, ''].join('\0'))
  })

  property.prop([fc.uint8Array({ maxLength: 600 })], { numRuns: 60 })(
    'bytes stay what they are',
    (bytes) => {
      const printed = run(shell, `printf '%b' ${quoteBytes(bytes)}`)

      expect(printed.equals(bytes)).toBe(true)
    },
  )

  test('every byte before every other comes out', () => {
    const bytes = Buffer.from(Array.from({ length: 65_536 }, (_, n) => [n >> 8, n & 255]).flat())

    const printed = run(shell, `printf '%b' ${quoteBytes(bytes)}`)

    expect(printed.equals(bytes)).toBe(true)
  })

  test('a secret is taken from the environment, as it stands there', () => {
    const word = quoteParts(["it's ", { variable: 'KEY', value: undefined }, ' $KEY'])
    const known = quoteParts(['a', { variable: 'KEY', value: "k'$KEY" }])

    expect(run(shell, `printf '%s' ${word}`, { KEY: '$(id) "x"' }).toString()).toBe(
      `it's $(id) "x" $KEY`,
    )
    expect(run(shell, `printf '%s' ${known}`, { KEY: 'no' }).toString()).toBe("ak'$KEY")
  })
})

test('a plain word needs no quotes', () => {
  expect(quoteWord('POST')).toBe('POST')
  expect(quoteWord('')).toBe("''")
  expect(quoteWord('-x')).toBe("'-x'")
})
