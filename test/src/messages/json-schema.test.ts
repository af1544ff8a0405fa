import { describe, expect, test } from 'vitest'

import { messageJsonSchema } from '../../../src/messages/json-schema.ts'
import { analysisMsgSchema } from '../../../src/messages/schema.ts'
import { samples } from './samples.ts'

type Node = Readonly<Record<string, unknown>>

const schema = messageJsonSchema()

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function resolve(node: Node): Node {
  const ref = node['$ref']
  if (typeof ref !== 'string') return node
  let found: unknown = schema
  for (const step of ref.split('/').slice(1)) found = isNode(found) ? found[step] : undefined
  return isNode(found) ? resolve(found) : {}
}

/** Enough of JSON Schema 2020-12 to judge our own: a keyword that is not known here is an error. */
function accepts(given: Node, value: unknown): boolean {
  return Object.entries(resolve(given)).every(([keyword, wanted]) => {
    const check = keywords[keyword]
    if (check === undefined) throw new Error(`unknown keyword ${keyword}`)
    return check(wanted, value, resolve(given))
  })
}

const list = (wanted: unknown): Node[] => (Array.isArray(wanted) ? wanted.filter(isNode) : [])
const always = (): boolean => true
const keywords: Readonly<Record<string, (wanted: unknown, value: unknown, node: Node) => boolean>> =
  {
    $schema: always,
    $defs: always,
    $id: always,
    id: always,
    title: always,
    type: (wanted, value) => {
      const types = new Set([typeof value])
      if (value === null) return wanted === 'null'
      if (Array.isArray(value)) return wanted === 'array'
      return wanted === 'integer' ? Number.isInteger(value) : types.has(String(wanted) as 'string')
    },
    const: (wanted, value) => wanted === value,
    enum: (wanted, value) => Array.isArray(wanted) && wanted.includes(value),
    minimum: (wanted, value) => typeof value !== 'number' || value >= Number(wanted),
    maximum: (wanted, value) => typeof value !== 'number' || value <= Number(wanted),
    anyOf: (wanted, value) => list(wanted).some((each) => accepts(each, value)),
    oneOf: (wanted, value) => list(wanted).filter((each) => accepts(each, value)).length === 1,
    items: (wanted, value, node) =>
      !Array.isArray(value) ||
      value
        .slice(list(node['prefixItems']).length)
        .every((item) => isNode(wanted) && accepts(wanted, item)),
    prefixItems: (wanted, value) =>
      !Array.isArray(value) || list(wanted).every((each, index) => accepts(each, value[index])),
    required: (wanted, value) =>
      !isNode(value) || (Array.isArray(wanted) && wanted.every((name) => String(name) in value)),
    properties: (wanted, value) =>
      !isNode(value) ||
      !isNode(wanted) ||
      Object.entries(wanted).every(
        ([name, each]) => !(name in value) || (isNode(each) && accepts(each, value[name])),
      ),
    minItems: (wanted, value) => !Array.isArray(value) || value.length >= Number(wanted),
    maxItems: (wanted, value) => !Array.isArray(value) || value.length <= Number(wanted),
    additionalProperties: (wanted, value, node) =>
      !isNode(value) ||
      Object.keys(value)
        .filter((name) => !isNode(node['properties']) || !(name in node['properties']))
        .every((name) => (isNode(wanted) ? accepts(wanted, value[name]) : wanted !== false)),
    propertyNames: (wanted, value) =>
      !isNode(value) || Object.keys(value).every((name) => isNode(wanted) && accepts(wanted, name)),
  }

test('the schema is JSON and names every kind', () => {
  const text = JSON.stringify(schema)

  expect(JSON.parse(text)).toEqual(schema)
  for (const option of analysisMsgSchema.options) expect(text).toContain(option.shape.kind.value)
  expect(text).toContain('capture-opened')
})

describe.each(samples.map((msg) => [msg.kind, msg] as const))('%s', (_kind, msg) => {
  test('is accepted by the schema', () => {
    expect(accepts(schema, msg)).toBe(true)
  })

  test('is accepted by the schema with a field that a later version added', () => {
    expect(accepts(schema, { ...msg, addedLater: { deep: [1] } })).toBe(true)
  })

  test('is refused by the schema without its kind, its seq or with another version', () => {
    const { kind: _kind, ...noKind } = msg
    const { seq: _seq, ...noSeq } = msg

    expect([noKind, noSeq, { ...msg, v: 2 }].map((value) => accepts(schema, value))).toEqual([
      false,
      false,
      false,
    ])
  })
})

test('the first line of a capture is accepted by the schema', () => {
  const line = { kind: 'capture-opened', v: 1, porthole: '0.1.0', startedAt: 5 }

  expect(accepts(schema, line)).toBe(true)
  expect(accepts(schema, { ...line, startedAt: 'today' })).toBe(false)
})

describe('a stored line', () => {
  const common = { v: 1, seq: 1, at: 2, exchangeId: 'x1' }
  const call = {
    ...common,
    kind: 'model-called',
    provider: 'p',
    operation: 'chat',
    streaming: true,
  }

  test.each([
    [{ kind: 'blob', hash: 'a', text: 'x' }],
    [{ kind: 'blob', hash: 'a', json: [{ role: 'user' }] }],
    [{ ...common, kind: 'request-body', offset: 0, refs: ['a', 'b'] }],
    [{ ...common, kind: 'websocket-message', direction: 'request', opcode: 1, refs: ['a'] }],
    [{ ...call, messageRefs: ['a'], toolRefs: [] }],
  ])('is accepted by the schema: %j', (line) => {
    expect(accepts(schema, line)).toBe(true)
  })

  test.each([
    [{ kind: 'blob', text: 'x' }],
    [{ kind: 'blob', hash: 'a', json: {} }],
    [call],
    [{ ...call, messageRefs: [7] }],
  ])('is refused by the schema: %j', (line) => {
    expect(accepts(schema, line)).toBe(false)
  })
})
