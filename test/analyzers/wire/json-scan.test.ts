import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { namesInJson } from '../../../analyzers/providers/names-in-json.ts'
import type { JsonNames } from '../../../analyzers/providers/names-in-json.ts'
import { scanJson } from '../../../analyzers/wire/json-scan.ts'

/** Every string with its place, and whether the text is JSON. */
function scan(text: string | Buffer): { found: string[]; isComplete: boolean; steps: number } {
  const found: string[] = []
  const walk = scanJson(Buffer.from(text), {
    skips: (path) => path.at(-1) === 'skip',
    wants: () => true,
    text: (path, value) => void found.push(`${path.join('.')}=${value}`),
    object: (path) => void found.push(`${path.join('.')}{}`),
    foldKey: (key) => key,
  })
  for (let steps = 0; ; steps += 1) {
    const next = walk.next()
    if (next.done === true) return { found, isComplete: next.value, steps }
  }
}

describe('a walk', () => {
  test('tells every string with its keys, repeated ones too, and passes over what is skipped', () => {
    const text = '{"a":"1","b":[{"c":"2"},["3"]],"a":"4","skip":{"d":["5","\\x"]},"e":{"f":"6"}}'

    expect(scan(text)).toMatchObject({
      found: ['a=1', 'b.c=2', 'b=3', 'a=4', 'e{}', 'e.f=6'],
      isComplete: true,
    })
  })

  test.each([
    '',
    '{',
    '{"a"}',
    '{"a":1,}',
    '[1,]',
    '[1 2]',
    '{"a":1}{"a":2}',
    '{"a":1}]',
    '{a:1}',
    "{'a':1}",
    '{"a":1/* x */}',
    '[01]',
    '[NaN]',
    '[+1]',
    '[1.]',
    '[tru]',
    '"a',
    '["\\x"]',
    '{"\\x":1}',
    '["\u0001"]',
    '}',
    '[}',
    '{]',
    '{"a":}',
    ',',
    `[${'1'.repeat(100)}]`,
    '['.repeat(100_000),
    Buffer.from([0x22, 0xff, 0x22]),
    Buffer.from('"a"', 'utf16le'),
  ])('ends at %j', (text) => {
    expect(scan(text).isComplete).toBe(false)
  })

  test('takes its time with what is long', () => {
    const { isComplete, steps } = scan(JSON.stringify(Array.from({ length: 200_000 }, String)))

    expect(isComplete).toBe(true)
    expect(steps).toBeGreaterThan(3)
  })

  property.prop([fc.json(), fc.constantFrom(0, 1, 2)])('takes whatever is JSON', (json, space) => {
    expect(scan(JSON.stringify(JSON.parse(json), undefined, space)).isComplete).toBe(true)
  })

  property.prop([fc.string({ unit: fc.constantFrom(...'{}[]",:\\u00a1e+-. \n'.split('')) })])(
    'takes nothing that is none',
    (text) => {
      if (!scan(text).isComplete) return
      expect(() => JSON.parse(text) as unknown).not.toThrow()
    },
  )
})

function names(value: unknown): JsonNames {
  const walk = namesInJson(Buffer.from(JSON.stringify(value)))
  for (;;) {
    const next = walk.next()
    if (next.done === true) return next.value
  }
}

describe('the names in a request', () => {
  property.prop([
    fc.constantFrom('model', 'Model', 'MODEL', 'model_id', 'modelId', 'mo\u212Bdel'),
    fc.array(fc.constantFrom('params', 'request', 'body', 'session', 'x'), { maxLength: 4 }),
  ])('are found under %s at any depth', (key, keys) => {
    const body = keys.reduce<Record<string, unknown>>((inner, outer) => ({ [outer]: [inner] }), {
      [key]: 'm',
    })

    expect(names(body).models).toEqual(key === 'mo\u212Bdel' ? [] : ['m'])
  })

  test.each(['messages', 'input', 'contents', 'metadata', 'system'])(
    'are not looked for in %s, which is said and not asked for',
    (key) => {
      expect(names({ [key]: [{ model: 'm', tools: [{ name: 't' }] }] })).toEqual({
        models: [],
        tools: [],
        isCertain: true,
      })
    },
  )

  test('are those of models that are objects, and of tools that bring their own', () => {
    const body = { model: { id: 'a' }, tools: [{ type: 'image_generation', model: 'b' }] }

    expect(names(body)).toEqual({
      models: ['a', 'b'],
      tools: ['image_generation'],
      isCertain: true,
    })
  })
})
