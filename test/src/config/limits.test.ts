import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { AppError } from '../../../src/base/errors.ts'
import type { Bounds } from '../../../src/config/bounds.ts'
import { boundRows, defaultBounds } from '../../../src/config/bounds.ts'
import type { LimitSources } from '../../../src/config/limits.ts'
import { checkBounds, formatBound, limitsHelp, resolveBounds } from '../../../src/config/limits.ts'

function resolve(given: Partial<LimitSources>): Bounds {
  return resolveBounds({ flags: [], env: [], file: {}, ...given })
}

function failure(act: () => unknown): AppError {
  try {
    act()
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

test('nothing given is the defaults', () => {
  expect(resolve({})).toEqual(defaultBounds)
})

describe.each(boundRows)('$name', (row) => {
  const bound = (value: number): string => `${row.name}=${formatBound(row, value)}`

  test('is set by the flag before the environment, by that before the file', () => {
    const file = { [row.key]: 4 }

    expect(resolve({ flags: [bound(2)], env: [bound(3)], file })[row.key]).toBe(2)
    expect(resolve({ env: [bound(3)], file })[row.key]).toBe(3)
    expect(resolve({ file })[row.key]).toBe(4)
    expect(resolve({ file: { [row.key]: formatBound(row, 5) } })[row.key]).toBe(5)
  })

  test('set by itself leaves every other as it is', () => {
    expect(resolve({ flags: [bound(2)] })).toEqual({ ...defaultBounds, [row.key]: 2 })
  })

  test('stands in the help with its default, which reads back as that', () => {
    expect(limitsHelp()).toContain(`  ${bound(row.default)} `)
    expect(resolve({ flags: [bound(row.default)] })).toEqual(defaultBounds)
  })

  test('is off only where that is sound', () => {
    const off = (): number => resolve({ flags: [`${row.name}=off`] })[row.key]

    if (row.mayBeOff === true) expect(off()).toBe(Infinity)
    else expect(failure(off).code).toBe('ERR_USAGE')
  })
})

describe('a value', () => {
  test.each([
    ['idle-timeout=500ms', 'idleTimeoutMs', 500],
    ['idle-timeout=1.5h', 'idleTimeoutMs', 5_400_000],
    ['idle-timeout=10min', 'idleTimeoutMs', 600_000],
    ['idle-timeout= 2 D ', 'idleTimeoutMs', 172_800_000],
    ['capture-file=1GiB', 'captureFileBytes', 2 ** 30],
    ['capture-file=5MB', 'captureFileBytes', 5_000_000],
    ['capture-file=4096', 'captureFileBytes', 4096],
    ['connections=7', 'maxConnections', 7],
  ] as const)('%s is taken', (text, key, wanted) => {
    expect(resolve({ flags: [text] })[key]).toBe(wanted)
  })

  test.each([
    ['idle-timeout', '10s'],
    ['idle-timeout=', '10s'],
    ['idle-timeout=10', '10s'],
    ['idle-timeout=0s', '10s'],
    ['idle-timeout=-1s', '10s'],
    ['idle-timeout=1.0001ms', '10s'],
    // A timer of more than 2^31-1 ms fires at once.
    ['idle-timeout=25d', '2147483647ms'],
    ['connect-timeout=off', '10s'],
    ['capture-file=10s', '64MiB'],
    ['capture-file=1.5', '64MiB'],
    ['header-size=1GiB', '64MiB'],
    ['connections=1e3', '1, 2, 3'],
    ['connections=1KiB', '1, 2, 3'],
  ])('%j is refused with how it is written', (text, hint) => {
    const error = failure(() => resolve({ flags: [text] }))

    expect(error.code).toBe('ERR_USAGE')
    expect(error.message).toContain(`--limit ${text.split('=')[0]} is`)
    expect(error.hint).toContain(hint)
  })

  test.each([0, -1, 1.5, NaN, Infinity, 2 ** 31])('%d is refused for a count', (maxViewers) => {
    expect(failure(() => resolve({ file: { maxViewers } })).message).toContain('limits.maxViewers')
    expect(failure(() => checkBounds({ maxViewers })).code).toBe('ERR_USAGE')
  })

  property.prop([fc.constantFrom(...boundRows), fc.integer({ min: 1, max: 2 ** 26 })])(
    'is written so that it reads back as itself',
    (row, value) => {
      fc.pre(value <= (row.max ?? value))

      expect(resolve({ flags: [`${row.name}=${formatBound(row, value)}`] })[row.key]).toBe(value)
    },
  )
})

describe('an unknown name', () => {
  test.each([
    ['idel-timeout=1s', 'did you mean idle-timeout?'],
    ['conections=1', 'did you mean connections?'],
    ['zzzzzzzz=1', 'limits are connections, '],
    ['__proto__=1', 'limits are connections, '],
  ])('in %j is refused with the nearest one, or all', (text, hint) => {
    expect(failure(() => resolve({ env: [text] })).hint).toContain(hint)
  })

  test('of a library user is refused too', () => {
    const given = { idleTimoutMs: 1 } as Partial<Bounds>

    expect(failure(() => checkBounds(given)).hint).toBe('did you mean idleTimeoutMs?')
  })
})
