import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { AuditReader } from '../../../src/audit/audit-reader.ts'
import type { AuditQuery } from '../../../src/audit/audit-reader.ts'
import { auditJsonSchema, auditRowSchema } from '../../../src/audit/audit-row.ts'
import { encodeAct, encodeActOutcome } from '../../../src/audit/entry.ts'
import { actBody, decisionBody, makeAudit, outcomeBody, session } from '../../support/audit.ts'
import type { AuditUnderTest } from '../../support/audit.ts'

let bench: AuditUnderTest
beforeEach(async () => {
  bench = await makeAudit()
})
afterEach(() => bench.close())

const hour = 3_600_000

function fill(): AuditReader {
  bench.audit.append([
    decisionBody({ exchangeId: 'x1', host: 'a.example' }, 1 * hour),
    outcomeBody({ exchangeId: 'x1' }, 1 * hour),
    decisionBody({ exchangeId: 'x2', host: 'b.a.example', decision: 'deny' }, 2 * hour),
    actBody('act_1', 3 * hour),
    encodeActOutcome('act_1', {}, 3 * hour, session),
    decisionBody({ exchangeId: 'x3', agent: 'other', host: 'c.example' }, 4 * hour),
    outcomeBody({ exchangeId: 'x3', status: 403, error: 'address-denied' }, 4 * hour),
    decisionBody({ exchangeId: 'x4', host: 'a.example', port: 8443 }, 5 * hour),
  ])
  return new AuditReader(bench.audit)
}

describe('rows', () => {
  test.each<[string, AuditQuery, number[]]>([
    ['all', {}, [1, 3, 4, 6, 8]],
    ['those of an agent', { agent: 'other' }, [6]],
    ['those about a host', { isHost: (host) => host.endsWith('a.example') }, [1, 3, 8]],
    ['those about a port', { isHost: (_host, port) => port === 8443 }, [8]],
    ['those since a time', { since: 3 * hour }, [4, 6, 8]],
    ['those up to a time', { until: 2 * hour }, [1, 3]],
    ['those between', { since: 2 * hour, until: 4 * hour }, [3, 4, 6]],
    ['refusals, of the address guard too', { isDenied: true }, [3, 6]],
    ['none', { since: 99 * hour }, []],
  ])('are %s', (_what, query, numbers) => {
    const reader = fill()

    expect(Array.from(reader.rows(query), ({ number }) => number)).toEqual(numbers)
    expect(reader.newest(query, 100).map(({ number }) => number)).toEqual(numbers)
    expect(reader.newest(query, 2).map(({ number }) => number)).toEqual(numbers.slice(-2))
  })

  test('are joined with what came of them', () => {
    const [allowed, denied, act, guarded, running] = [...fill().rows({})]

    expect(allowed).toMatchObject({ decision: 'allow', outcome: { number: 2, status: 200 } })
    expect(denied).not.toHaveProperty('outcome')
    expect(act).toMatchObject({ kind: 'act', user: 'alice', outcome: { number: 5 } })
    expect(guarded).toMatchObject({ decision: 'deny', reason: 'address-denied', status: 403 })
    expect(running).not.toHaveProperty('outcome')
  })

  test('are those of the schema, which is JSON Schema too', () => {
    for (const row of fill().rows({})) expect(auditRowSchema.parse(row)).toEqual(row)

    expect(JSON.stringify(auditJsonSchema())).toContain('"decision"')
  })

  test('are found over many pages', () => {
    bench.audit.append(
      Array.from({ length: 2345 }, (_each, index) =>
        decisionBody({ exchangeId: `x${index}` }, index * 60_000),
      ),
    )
    const reader = new AuditReader(bench.audit)

    expect([...reader.rows({})]).toHaveLength(2345)
    expect(reader.newest({}, 1200).at(0)?.number).toBe(1146)
    const since = Array.from(reader.rows({ since: 2000 * 60_000 }), ({ number }) => number)
    expect(since.at(0)).toBe(2001)
    expect(since).toHaveLength(345)
  })
})

describe('one who follows', () => {
  test('is told of each row as it comes, and again when it has ended', () => {
    const reader = fill()
    const first = reader.follow({}, bench.audit.head.count, 0)
    expect(first).toEqual({ rows: [], last: 8 })

    bench.audit.append([decisionBody({ exchangeId: 'x9' }), decisionBody({ exchangeId: 'x10' })])
    const second = reader.follow({}, first.last, 0)
    bench.audit.append([outcomeBody({ exchangeId: 'x9' }), outcomeBody({ exchangeId: 'x1' })])
    const third = reader.follow({}, second.last, 0)

    expect(second.rows.map((row) => row.outcome)).toEqual([undefined, undefined])
    expect(third.rows).toMatchObject([{ number: 9, outcome: { number: 11 } }])
    expect(third.last).toBe(12)
  })

  test('is told of an act once, with how it ended', () => {
    const reader = fill()
    const act = { user: 'me', action: 'rules add', target: 'daily' }
    bench.audit.append([encodeAct(act, 'act_9', 5, session)])
    const second = reader.follow({}, 8, 0)
    bench.audit.append([encodeActOutcome('act_9', {}, 6, session)])
    const third = reader.follow({}, second.last, 250)

    expect(second.rows).toEqual([])
    expect(third.rows).toMatchObject([{ number: 9, action: 'rules add', outcome: { number: 10 } }])
    expect(reader.follow({}, third.last, 10_000).rows).toEqual([])
  })

  test('is told of an act that takes long before it has ended, and again after', () => {
    const reader = fill()
    bench.audit.append([encodeAct({ user: 'me', action: 'ca install' }, 'act_9', 5, session)])
    const { last } = reader.follow({}, 8, 0)

    expect(reader.follow({}, last, 1999).rows).toEqual([])
    expect(reader.follow({}, last, 2000).rows).toMatchObject([{ number: 9, action: 'ca install' }])
    expect(reader.follow({}, last, 9000).rows).toEqual([])
    bench.audit.append([encodeActOutcome('act_9', { error: 'failed' }, 6, session)])
    expect(reader.follow({}, last, 9001).rows).toMatchObject([{ outcome: { error: 'failed' } }])
  })

  test('of refusals is told of one that came after the decision', () => {
    const reader = fill()
    bench.audit.append([decisionBody({ exchangeId: 'x9' })])
    const second = reader.follow({ isDenied: true }, 8, 0)
    bench.audit.append([outcomeBody({ exchangeId: 'x9', error: 'address-denied', status: 403 })])

    expect(second.rows).toEqual([])
    expect(reader.follow({ isDenied: true }, second.last, 0).rows).toMatchObject([
      { number: 9, decision: 'deny' },
    ])
  })
})
