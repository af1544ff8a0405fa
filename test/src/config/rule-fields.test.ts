import { describe, expect, test } from 'vitest'

import { AppError } from '../../../src/base/errors.ts'
import type { RuleFields } from '../../../src/config/rule-fields.ts'
import { fieldsOfRule, madeUpName, parseRule, ruleShape } from '../../../src/config/rule-fields.ts'

const parse = (fields: RuleFields): ReturnType<typeof parseRule> =>
  parseRule(fields, (field) => `--${field}`)

function failure(fields: RuleFields): AppError {
  try {
    parse(fields)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('it was taken')
}

test('a rule is read with all its parts, lists as arrays or with commas', () => {
  const draft = parse({
    name: 'one',
    action: 'block',
    host: ['API.openai.com', '*.b.example:8443'],
    path: '/v1/*',
    method: 'post, get',
    agent: 'ci',
    model: ['gpt-4*', 'o3'],
    tool: 'bash',
    mode: 'observe',
  })

  expect(draft).toMatchObject({
    name: 'one',
    action: 'block',
    mode: 'observe',
    match: {
      path: '/v1/*',
      methods: ['POST', 'GET'],
      agents: ['ci'],
      models: ['gpt-4*', 'o3'],
      tools: ['bash'],
    },
  })
  expect(draft.match.hosts?.map(({ text }) => text)).toEqual(['api.openai.com', '*.b.example:8443'])
})

test.each([
  ['100/1m', 100, 60_000],
  ['5/s', 5, 1000],
  ['1/30s', 1, 30_000],
  ['1000/1d', 1000, 86_400_000],
])('the limit %s is %d requests in %d ms', (limit, requests, windowMs) => {
  expect(parse({ action: 'rate', limit })).toMatchObject({
    rate: { requests, windowMs, scope: 'agent' },
  })
})

test.each([
  ['$5', 'usd', 5],
  ['$0.25', 'usd', 0.25],
  ['200000tokens', 'tokens', 200_000],
  ['1.5Mtokens', 'tokens', 1_500_000],
  ['20 ktokens', 'tokens', 20_000],
])('the amount %s is %s %d', (amount, unit, wanted) => {
  expect(parse({ action: 'budget', amount, per: 'day', scope: 'global' })).toMatchObject({
    budget: { unit, amount: wanted, per: 'day', scope: 'global' },
  })
})

describe('what is no rule is told, with the next step', () => {
  test.each([
    [{ action: 'block' }, /--host .*block every request; .*--default-action block/u],
    [{ action: 'allow' }, /--default-action allow/u],
    [{ action: 'rate' }, /--limit is missing; write it as 100\/1m/u],
    [{ action: 'rate', limit: '0/1m' }, /--limit "0\/1m" is no limit/u],
    [{ action: 'rate', limit: '5/1m/1m' }, /no limit/u],
    [{ action: 'rate', limit: '5/40d' }, /no limit; .* 31 days at most/u],
    [{ action: 'rate', limit: '5/10ms' }, /no limit; count over a second at least/u],
    [{ action: 'rate', limit: '5/s', host: '' }, /--host is empty; name something/u],
    [{ action: 'allow', path: '/v1', agent: ' , ' }, /--agent is empty/u],
    [{ action: 'block', host: 'a.example', method: '' }, /--method is empty/u],
    [{ action: 'budget' }, /--amount is missing; write it as \$5/u],
    [{ action: 'budget', amount: '5' }, /--amount "5" is no amount/u],
    [{ action: 'budget', amount: '$0' }, /no amount/u],
    [{ action: 'block', host: 'a.example', limit: '1/s' }, /--limit means nothing/u],
    [{ action: 'rate', limit: '1/s', amount: '$1' }, /--amount means nothing/u],
    [{ action: 'observe', scope: 'agent' }, /--scope means nothing/u],
    [{ action: 'block', path: 'v1' }, /--path is no path/u],
    [{ action: 'block', path: '/v1/../x' }, /--path is no path/u],
    [{ action: 'block', path: '/v1*' }, /--path is no path/u],
    [{ action: 'block', path: '/v1?x=1' }, /--path is no path/u],
    [{ action: 'block', method: 'CONNECT' }, /name the host alone/u],
    [{ action: 'block', method: 'a b' }, /--method is no HTTP method/u],
    [{ action: 'block', agent: 'a b' }, /--agent has a name in it that is none/u],
    [{ action: 'block', model: 'a\u0007' }, /--model/u],
    [{ action: 'observe', name: 'a b' }, /--name is no name/u],
  ] as const)('%j', (fields, wanted) => {
    const error = failure(fields)

    expect(error.code).toBe('ERR_RULE_INVALID')
    expect(`${error.message}; ${error.hint}`).toMatch(wanted)
  })

  test.each([
    [{ action: 'block', host: 'a.example', name: 'sk-proj-A1b2C3d4E5f6G7h8I9j0' }, 'a rule'],
    [{ action: 'block', agent: 'ci,sk-proj-A1b2C3d4E5f6G7h8I9j0' }, 'an agent'],
  ] as const)('a key in the place of a name, and not what it is: %j', (fields, what) => {
    const error = failure(fields)

    expect(error.code).toBe('ERR_NAME_CREDENTIAL')
    expect(error.message).toBe(`what was given as the name of ${what} looks like a key`)
  })

  test('a host that is none by its own error', () => {
    expect(failure({ action: 'block', host: 'https://a.example' }).code).toBe('ERR_HOST_PATTERN')
  })

  test('keys that are none are refused where files are read', () => {
    expect(ruleShape.safeParse({ action: 'block', hosts: 'a' }).success).toBe(false)
    expect(ruleShape.safeParse({ action: 'deny' }).success).toBe(false)
  })
})

test.each([
  { action: 'block', host: ['a.example', '*.b.example:8443'], path: '/v1/*', method: ['POST'] },
  { action: 'allow', agent: ['ci'], model: ['gpt-4*'], tool: ['bash'], mode: 'observe' },
  { action: 'rate', limit: '100/1m', scope: 'global' },
  { action: 'rate', limit: '1/1500ms' },
  { action: 'budget', amount: '$0.000001', per: 'total' },
  { action: 'budget', amount: '1.5Mtokens', per: 'day', scope: 'global' },
  { action: 'observe' },
] as const satisfies RuleFields[])('%j is the same rule when it is written anew', (fields) => {
  const draft = parse(ruleShape.parse(fields))
  const place = { id: 'r', name: 'one', origin: 'vault', createdAt: 0 } as const

  expect(parse(fieldsOfRule({ ...draft, ...place }))).toEqual(draft)
})

test('a name is made up of the action and the first number that is free', () => {
  expect(madeUpName('block', (name) => ['block-1', 'block-2'].includes(name))).toBe('block-3')
})
