import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { isEntry } from '../../../src/audit/audit-row.ts'
import { encodeAct, encodeDecision, encodeOutcome, hashEntry } from '../../../src/audit/entry.ts'
import { decision, outcome, session } from '../../support/audit.ts'

const zeros = '0'.repeat(64)

describe('an entry', () => {
  test('is written in one form, field for field', () => {
    expect(encodeDecision(decision({ rule: 'r', status: 403, decision: 'deny' }), 5, session)).toBe(
      '{"v":1,"kind":"decision","at":5,"pid":7,"startedAt":1000,"connectionId":"c1",' +
        '"exchangeId":"x1","agent":"ci","subject":"request","host":"api.openai.com","port":443,' +
        '"method":"GET","path":"/v1/models","decision":"deny","reason":"allowlisted","rule":"r",' +
        '"status":403}',
    )
    expect(encodeOutcome(outcome({ models: ['m'], error: 'E' }), 6, session)).toBe(
      '{"v":1,"kind":"outcome","at":6,"pid":7,"startedAt":1000,"of":"x1","status":200,' +
        '"bytesUp":10,"bytesDown":20,"durationMs":5,"models":["m"],"error":"E"}',
    )
    expect(encodeAct({ user: 'a', action: 'b', details: { c: ['d'] } }, 'act_1', 7, session)).toBe(
      '{"v":1,"kind":"act","at":7,"pid":7,"startedAt":1000,"id":"act_1","user":"a","action":"b",' +
        '"details":{"c":["d"]}}',
    )
  })

  test('hashes to the same in every version: chains that exist must hold', () => {
    expect(hashEntry(zeros, 1, '{"v":1}')).toBe(
      'ae078efefe9c28fc8f25013a9f231c479709380cc4605b85b9dd82d953b5a5a6',
    )
  })

  property.prop([fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })])(
    'is one line and an entry, whatever is in it',
    (path, host) => {
      const body = encodeDecision(decision({ path, host }), 5, session)

      expect(body).not.toContain('\n')
      expect(isEntry(body)).toBe(true)
      // As SQLite gives it back.
      expect(Buffer.from(body, 'utf8').toString('utf8')).toBe(body)
    },
  )

  property.prop([fc.integer({ min: 1 }), fc.string(), fc.integer({ min: 1 }), fc.string()])(
    'has a hash of its own, by its number, its text and what it follows',
    (number, body, otherNumber, otherBody) => {
      const isSame = number === otherNumber && body === otherBody

      expect(hashEntry(zeros, number, body) === hashEntry(zeros, otherNumber, otherBody)).toBe(
        isSame,
      )
      expect(hashEntry(zeros, number, body)).not.toBe(hashEntry('1'.repeat(64), number, body))
    },
  )
})
