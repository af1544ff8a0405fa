import { describe, expect, test } from 'vitest'

import { ConcealedValues } from '../../../src/policy/concealed-values.ts'

const value = 'sk-CANARY/7f3a+Zx'

function concealed(text = value): ConcealedValues {
  const values = new ConcealedValues()
  values.add(text, 'openai')
  return values
}

describe('a value that came back', () => {
  test.each([
    ['raw', value],
    ['percent', encodeURIComponent(value)],
    ['json', value.replace('/', String.raw`\/`)],
    ['base64', Buffer.from(`user:${value}`).toString('base64')],
    ['hex', Buffer.from(value).toString('hex')],
    ['hex', Buffer.from(value).toString('hex').toUpperCase()],
  ])('is told as %s', (form, text) => {
    expect(concealed().notesIn(`=${text}=`, { where: 'header', name: 'X-Echo' })).toEqual([
      { kind: 'credential-echoed', secretId: 'openai', where: 'header', name: 'X-Echo', form },
    ])
  })

  test('is told as base64 where it was sent as one', () => {
    const pair = Buffer.from(`user:${value}`).toString('base64')
    const values = concealed(`Basic ${pair}`)

    expect(values.notesIn(pair, { where: 'body' })).toMatchObject([{ form: 'base64' }])
  })

  test('is told once for each place, whatever its form and the case of the name', () => {
    const values = concealed()
    const told = (text: string, name: string): number =>
      values.notesIn(text, { where: 'header', name }).length

    expect([told(value, 'X-A'), told(value, 'x-a'), told(value, 'X-B')]).toEqual([1, 0, 1])
    expect(told(encodeURIComponent(value), 'X-A')).toBe(0)
    expect(values.note(value, { where: 'body', isCoded: true })).toMatchObject({ form: 'coded' })
    expect(values.note(value, { where: 'body' })).toBeUndefined()
  })

  test('is told without an id where none is known, and of no more places than a few', () => {
    const values = new ConcealedValues()
    values.add(value, undefined)
    const names = Array.from({ length: 200 }, (_, number) => `X-${number}`)

    const told = names.flatMap((name) => values.notesIn(value, { where: 'header', name }))

    expect(told).toHaveLength(64)
    expect(told.some((note) => 'secretId' in note)).toBe(false)
  })
})

test('what was not concealed is not told', () => {
  expect(new ConcealedValues().isEmpty).toBe(true)
  expect(concealed().isEmpty).toBe(false)
  expect(concealed().note('another', { where: 'body' })).toBeUndefined()
  expect(concealed().notesIn('another', { where: 'status' })).toEqual([])
})

test('what the client sends itself is named once', () => {
  const values = concealed()

  expect(values.noteSent(encodeURIComponent(value))).toBe('openai')
  expect(values.noteSent(value)).toBeUndefined()
  expect(values.noteSent('another')).toBeUndefined()
  expect(values.note(value, { where: 'body' })).toBeDefined()
})
