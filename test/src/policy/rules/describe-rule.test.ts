import { expect, test } from 'vitest'

import { describeAmount, describeMatch } from '../../../../src/policy/rules/describe-rule.ts'
import { rule } from '../../../support/rules.ts'

test.each([
  [{ action: 'observe' }, 'everything', ''],
  [
    { action: 'block', host: 'a.example,*.b.example', path: '/v1/*', method: 'post,put' },
    'POST|PUT a.example|*.b.example /v1/*',
    '',
  ],
  [
    { action: 'block', model: 'gpt*', agent: 'ci', tool: 'bash' },
    'model gpt*, tool bash, agent ci',
    '',
  ],
  [{ action: 'rate', limit: '100/1m' }, 'everything', '100 requests in 1m, each agent'],
  [
    { action: 'rate', limit: '1/s', scope: 'global' },
    'everything',
    '1 request in 1s, all together',
  ],
  [{ action: 'budget', amount: '$5', per: 'day' }, 'everything', '$5 a day, each agent'],
  [{ action: 'budget', amount: '$0.1', per: 'day' }, 'everything', '$0.10 a day, each agent'],
  [
    { action: 'budget', amount: '$0.000001', per: 'run' },
    'everything',
    '$0.000001 a run, each agent',
  ],
  [
    { action: 'budget', amount: '2Mtokens', per: 'total' },
    'everything',
    '2000000 tokens in all, each agent',
  ],
] as const)('%j concerns %s', (fields, match, amount) => {
  const made = rule(fields)

  expect(describeMatch(made)).toBe(match)
  expect(describeAmount(made)).toBe(amount)
})
