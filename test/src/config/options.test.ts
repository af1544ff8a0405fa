import { describe, expect, test } from 'vitest'

import { optionsOf, optionTable } from '../../../src/config/options.ts'

/** As commander names the value of a flag. */
function keyOf(flag: string): string {
  const long = /^--(?:no-)?([a-z-]+)/u.exec(flag)?.[1] ?? ''
  return long.replaceAll(/-([a-z])/gu, (_, letter: string) => letter.toUpperCase())
}

describe.each(optionTable)('$flag', ({ name, flag, kind, env, help, commands }) => {
  test('is named alike as a flag, as a key and in the environment', () => {
    const upper = name.replaceAll(/[A-Z]/gu, (letter) => `_${letter}`).toUpperCase()

    expect(keyOf(flag)).toBe(name)
    expect(env[0]).toBe(`PORTHOLE_${upper}`)
  })

  test('takes a value unless it is a switch', () => {
    expect(flag.includes('<')).toBe(kind !== 'switch')
  })

  test('has one line of help, without a full stop, and a command', () => {
    expect(help).toMatch(/^[^\n]{10,90}[^.\n]$/u)
    expect(commands.length).toBeGreaterThan(0)
  })
})

test('no name, flag or variable stands for two options', () => {
  const all = optionTable.flatMap(({ name, flag, env }) => [`key ${name}`, flag, ...env])

  expect(new Set(all).size).toBe(all.length)
})

test('a command has its own rows, in the order of the table', () => {
  const names = optionsOf('demo').map(({ name }) => name)

  expect(names).toEqual(['capture', 'viewer', 'json', 'home'])
  const runOnly = optionTable.filter(({ name }) => name === 'agent')
  expect(runOnly).toHaveLength(1)
  expect(optionsOf('start')).toEqual(optionTable.filter((row) => !runOnly.includes(row)))
})
