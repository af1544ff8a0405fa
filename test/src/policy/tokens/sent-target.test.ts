import { describe, expect, test } from 'vitest'

import { readingsOf, sentTargets } from '../../../../src/policy/tokens/sent-target.ts'
import { formatToken } from '../../../../src/policy/tokens/token-format.ts'

const token = formatToken(new Uint8Array(32))
const own = `porthole_agent_${'a'.repeat(51)}`

describe('what a target may be sent as', () => {
  test('is itself where it has no token', () => {
    expect(sentTargets('/v1/a%20b?x=1')).toEqual(['/v1/a%20b?x=1'])
  })

  test('is also what is left without tokens of secrets', () => {
    const target = `/adm${token}in?mod${token}el=o3`
    expect(sentTargets(target)).toEqual([target, '/admin?model=o3'])
  })

  test('is also what is left without tokens of agents', () => {
    expect(sentTargets(`/adm${own}in`)).toEqual([`/adm${own}in`, '/admin'])
  })

  test('is what is left of both, where one stands within the other', () => {
    const within = `porthole_agent_${token}${'a'.repeat(51)}`
    expect(sentTargets(`/adm${within}in`)).toContain('/admin')
  })
})

describe('what is left of a path without a token', () => {
  test.each([
    ['/a/TOKEN/b', '/a//b', ['/a/b']],
    ['/TOKEN/b/c', '//b/c', ['/b/c', '/c']],
    ['/TOKEN/b', '//b', ['/b', '/']],
    ['/TOKEN/TOKEN/b', '///b', ['/b', '/b']],
    ['/botTOKEN/b', '/bot/b', ['/bot/b']],
    // Unclear before, or beside it.
    ['/a//TOKEN/b', '/a///b', ['/a///b']],
    ['/a/TOKEN../b', '/a/../b', ['/a/../b']],
  ])('%s may be read as what it says without the gap', (path, sent, readings) => {
    expect(readingsOf(path.replaceAll('TOKEN', token), sent)).toEqual(readings)
  })
})
