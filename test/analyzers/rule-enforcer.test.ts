import { describe, expect, test } from 'vitest'

import { RuleEnforcer } from '../../analyzers/rule-enforcer.ts'
import type { RuleEnforcerOptions } from '../../analyzers/rule-enforcer.ts'
import type { AnalysisMsgDraft } from '../../src/messages/schema.ts'
import type { OutgoingConnection, OutgoingRequest, Refusal } from '../../src/pipeline/analyzer.ts'
import { BodyUnavailable } from '../../src/pipeline/body-unavailable.ts'
import type { Meter, MeteredRequest } from '../../src/policy/rules/meter.ts'
import type { Rule, RuleSource } from '../../src/policy/rules/rule.ts'
import { formatToken } from '../../src/policy/tokens/token-format.ts'
import { createHeaderList } from '../../src/proxy/http-messages.ts'
import { rule, testRules } from '../support/rules.ts'

interface Asked {
  readonly refusal: Refusal | undefined
  readonly told: readonly AnalysisMsgDraft[]
  readonly reads: number
}

function enforcer(source: RuleSource, options: Partial<RuleEnforcerOptions> = {}): RuleEnforcer {
  return new RuleEnforcer(source, { now: () => 0, ...options })
}

async function ask(
  of: RuleEnforcer,
  over: Partial<Omit<OutgoingRequest, 'readBody'>> & { readonly body?: string | Error } = {},
): Promise<Asked> {
  const { body = '', ...rest } = over
  const told: AnalysisMsgDraft[] = []
  let reads = 0
  const refusal = await of.onRequest({
    connectionId: 'c1',
    exchangeId: 'x1',
    agent: 'ci',
    scheme: 'https',
    host: 'api.openai.com',
    port: 443,
    method: 'POST',
    path: '/v1/chat/completions?x=1',
    headers: createHeaderList([]),
    readBody: () => {
      reads += 1
      return body instanceof Error ? Promise.reject(body) : Promise.resolve(Buffer.from(body))
    },
    emit: (draft) => told.push(draft),
    conceal: () => {},
    ...rest,
  })
  return { refusal: refusal ?? undefined, told, reads }
}

function connect(of: RuleEnforcer, over: Partial<OutgoingConnection> = {}): Asked {
  const told: AnalysisMsgDraft[] = []
  const refusal = of.onConnect({
    connectionId: 'c1',
    agent: 'ci',
    host: 'api.openai.com',
    port: 443,
    fate: 'not-allowlisted',
    emit: (draft) => told.push(draft),
    ...over,
  })
  return { refusal: refusal ?? undefined, told, reads: 0 }
}

const token = formatToken(new Uint8Array(32))

describe('a path with a token in it', () => {
  const admin = (): Rule => rule({ name: 'no-admin', action: 'block', path: '/admin/*' })

  test.each([
    `/${token}/v1/files`,
    `/bots/${token}/v1/files`,
    `/bot${token}/getMe`,
    `/v1/${token}`,
    `/${token}`,
  ])('%s is not refused by a rule on another path', async (path) => {
    expect((await ask(enforcer(testRules([admin()])), { path })).refusal).toBeUndefined()
  })

  test.each([
    `/${token}/admin/users`,
    `/admin/${token}/users`,
    `/adm${token}in/users`,
    `/${token}/host/admin`,
    `/${token}admin`,
    `/${token}/../admin`,
    `//${token}/v1`,
    `/v1/${token}%2fadmin`,
  ])('%s is refused, as what it is without it', async (path) => {
    expect((await ask(enforcer(testRules([admin()])), { path })).refusal?.rule).toBe('no-admin')
  })

  test('is not allowed by a rule on what it may not be any more', async () => {
    const allow = rule({ name: 'only-files', action: 'allow', path: '/v1/files/*' })
    const of = enforcer(testRules([allow], 'block'))

    expect((await ask(of, { path: '/v1/files/a' })).refusal).toBeUndefined()
    expect((await ask(of, { path: `/v1/files/${token}a` })).refusal).toBeUndefined()
    expect((await ask(of, { path: `/v1/${token}/files/a` })).refusal?.reason).toBe('default-action')
    expect((await ask(of, { path: `/v1/files/${token}/a` })).refusal?.reason).toBe('default-action')
  })
})

test('meters are told how long a body is, and which models had to be read anyway', async () => {
  const asked: MeteredRequest[] = []
  const budgets: Meter = {
    check: (_rule, request) => {
      asked.push(request)
      return undefined
    },
    consume: () => {},
  }
  const budget = rule({ action: 'budget', amount: '$5' })
  const headers = createHeaderList([['Content-Length', '20']])
  const body = '{"model": "gpt-5"}'
  await ask(enforcer(testRules([budget]), { budgets }), { headers, body })
  await ask(enforcer(testRules([budget]), { budgets }), { body })
  const named = rule({ action: 'budget', amount: '$5', model: 'gpt*' })
  await ask(enforcer(testRules([named]), { budgets }), { headers, body })

  expect(asked.map(({ bodyBytes, models }) => [bodyBytes, models])).toEqual([
    [20, undefined],
    [undefined, undefined],
    [20, ['gpt-5']],
  ])
})

const noGpt = (): Rule => rule({ name: 'no-gpt', action: 'block', model: 'gpt*' })

describe('a request', () => {
  test('is answered at once where there are no rules, and reads no body', () => {
    const of = enforcer(testRules([]))

    expect(of.onRequest({} as OutgoingRequest)).toBeUndefined()
  })

  test('has its body read only where a rule asks for what is in it', async () => {
    const elsewhere = rule({ action: 'block', host: 'b.example', model: 'gpt*' })

    const path = await ask(enforcer(testRules([rule({ action: 'block', path: '/v1/files' })])))
    const other = await ask(enforcer(testRules([elsewhere])))
    const model = await ask(enforcer(testRules([noGpt()])), { body: '{"model":"gpt-5"}' })

    expect([path.reads, other.reads, model.reads]).toEqual([0, 0, 1])
    expect(model.refusal).toMatchObject({ status: 403, reason: 'rule', rule: 'no-gpt' })
    expect(model.told).toEqual([
      {
        kind: 'rule-matched',
        by: 'rule-enforcer',
        rule: 'no-gpt',
        decision: 'block',
        mode: 'enforce',
      },
    ])
  })

  test('has its body read within the bound of the option', async () => {
    let asked = 0
    const of = enforcer(testRules([noGpt()]), { maxBodyBytes: 77 })
    await of.onRequest({
      ...({
        headers: createHeaderList([]),
        host: 'a.example',
        path: '/',
        method: 'POST',
      } as OutgoingRequest),
      readBody: (maxBytes) => {
        asked = maxBytes
        return Promise.resolve(Buffer.alloc(0))
      },
    })

    expect(asked).toBe(77)
  })

  test.each([
    [new BodyUnavailable(413, 'body-too-large', 'long'), 413, /--limit rule-body/u],
    [new BodyUnavailable(408, 'body-incomplete', 'it did not end'), 408, /did not end/u],
    [new BodyUnavailable(503, 'bodies-waiting', 'too many'), 503, /too many/u],
    [new Error('out of order'), 503, /cannot tell what its rules allow: out of order/u],
  ])('whose body cannot be had (%s) is refused', async (body, status, message) => {
    const { refusal } = await ask(enforcer(testRules([noGpt()])), { body })

    expect(refusal?.status).toBe(status)
    expect(refusal?.message).toMatch(message)
  })

  test('whose body cannot be had passes a rule that only watches', async () => {
    const watching = rule({ name: 'seen', action: 'observe', model: 'gpt*' })
    const body = new BodyUnavailable(413, 'body-too-large', 'long')

    const { refusal, told } = await ask(enforcer(testRules([watching])), { body })

    expect(refusal).toBeUndefined()
    expect(told).toMatchObject([{ rule: 'seen', decision: 'observe', mode: 'observe' }])
  })

  test('to switch to WebSocket is refused where what is said there would matter', async () => {
    const of = enforcer(testRules([noGpt()]))
    const rate = enforcer(testRules([rule({ action: 'rate', model: 'gpt*', limit: '1/s' })]))

    const upgrade = await ask(of, { isUpgrade: true, path: '/v1/realtime?model=o3' })

    expect(upgrade.refusal).toMatchObject({ status: 403, rule: 'no-gpt' })
    expect(upgrade.refusal?.message).toContain('different ways')
    expect(upgrade.reads).toBe(0)
    expect((await ask(of, { isUpgrade: true, host: 'b.example' })).refusal?.status).toBe(403)
    // It counts as one of those that the rule limits.
    expect((await ask(rate, { isUpgrade: true })).refusal).toBeUndefined()
    expect((await ask(rate, { isUpgrade: true })).refusal?.status).toBe(429)
  })

  test('is refused where a meter fails', async () => {
    const budgets: Meter = {
      check: () => {
        throw new Error('the ledger is gone')
      },
      consume: () => {},
    }
    const of = enforcer(testRules([rule({ action: 'budget', amount: '$1' })]), { budgets })

    expect((await ask(of)).refusal).toMatchObject({ status: 503, reason: 'rules-unavailable' })
  })
})

describe('a budget', () => {
  const spent: Meter = { check: () => ({ message: '$5 of $5 are spent' }), consume: () => {} }
  const source = testRules([rule({ name: 'five', action: 'budget', amount: '$5' })])

  test('that is used up is told as such, and answered 403', async () => {
    const { refusal, told } = await ask(enforcer(source, { budgets: spent }))

    expect(refusal).toEqual({
      status: 403,
      reason: 'budget',
      message: 'the rule five: $5 of $5 are spent',
      rule: 'five',
    })
    expect(told).toMatchObject([{ kind: 'budget-exceeded', rule: 'five', mode: 'enforce' }])
  })

  test('is answered as its option says', async () => {
    const own: Refusal = { status: 402, reason: 'budget', message: 'own' }
    const refuseBudget = (): Refusal => own

    expect((await ask(enforcer(source, { budgets: spent, refuseBudget }))).refusal).toBe(own)
  })

  test('decides nothing without a meter, nor for what passes unread', async () => {
    expect((await ask(enforcer(source))).refusal).toBeUndefined()
    expect(connect(enforcer(source, { budgets: spent })).refusal).toBeUndefined()
  })
})

describe('a connection', () => {
  test('is refused by rules on hosts and agents alone, while its requests are still to come', () => {
    const of = enforcer(
      testRules([rule({ action: 'block', host: '*.openai.com', path: '/x' }), noGpt()], 'block'),
    )

    expect(connect(of, { fate: 'intercepted' }).refusal).toBeUndefined()
    const blocking = enforcer(testRules([rule({ action: 'block', agent: 'ci' })]))
    expect(connect(blocking, { fate: 'intercepted' }).refusal?.status).toBe(403)
    expect(connect(blocking, { fate: 'intercepted', agent: 'other' }).refusal).toBeUndefined()
  })

  test('that passes unread obeys the default action, and rules on its host that allow it', () => {
    const of = enforcer(testRules([rule({ action: 'allow', host: 'github.com' })], 'block'))

    expect(connect(of, { host: 'github.com' }).refusal).toBeUndefined()
    expect(connect(of, { host: 'github.com', port: 22 }).refusal?.reason).toBe('default-action')
    expect(connect(of, { host: 'b.example' }).refusal?.reason).toBe('default-action')
  })

  test('that passes unread is told where a rule on its host would have to read it', () => {
    const rules = [
      rule({ name: 'blind', action: 'block', host: 'api.openai.com', path: '/x' }),
      rule({ name: 'elsewhere', action: 'block', host: 'b.example', path: '/x' }),
      noGpt(),
    ]

    const { refusal, told } = connect(enforcer(testRules(rules)))

    expect(refusal).toBeUndefined()
    expect(told).toMatchObject([{ rule: 'blind', decision: 'unread', mode: 'observe' }])
  })

  test.each(['client-rejects-ca', 'ca-unavailable'] as const)(
    'that would have been read (%s) is refused where a rule would have to read it',
    (fate) => {
      const hidden = [noGpt(), rule({ action: 'rate', path: '/x', limit: '1/s' })]
      const watching = rule({ action: 'block', model: 'gpt*', mode: 'observe' })

      for (const each of hidden) {
        expect(connect(enforcer(testRules([each])), { fate }).refusal?.message).toMatch(
          /has to read/u,
        )
      }
      expect(connect(enforcer(testRules([watching])), { fate }).refusal).toBeUndefined()
      expect(connect(enforcer(testRules([noGpt()]))).refusal).toBeUndefined()
    },
  )

  test('is refused where the rules cannot be had', () => {
    const source = testRules([])
    source.set(new Error('gone'))

    for (const fate of ['intercepted', 'not-allowlisted'] as const) {
      expect(connect(enforcer(source), { fate }).refusal).toMatchObject({
        status: 503,
        reason: 'rules-unavailable',
        retryAfterSeconds: 1,
      })
    }
  })
})

test('a request whose client left while it was read uses nothing up', async () => {
  const rate = rule({ name: 'one', action: 'rate', limit: '1/1h' })
  const of = enforcer(testRules([rate, rule({ action: 'block', model: 'gpt-4*' })]))
  const body = '{"model":"o3"}'

  expect((await ask(of, { body, isOver: () => true })).refusal?.reason).toBe('client-aborted')
  expect((await ask(of, { body, isOver: () => false })).refusal).toBeUndefined()
  expect((await ask(of, { body })).refusal?.reason).toBe('rate-limit')
})
