import { expect, it } from 'vitest'

import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import { rawTab } from '../../../src/tui/raw-tab.ts'
import { responseStart, stamp, wholeCall } from './sample-messages.ts'
import { linesOf, rowOf, textOf, viewAt } from './tab-view.ts'

it('shows bodies as they were sent, not indented', () => {
  const lines = linesOf(rawTab(rowOf(wholeCall({ id: 'x1' })), viewAt()))

  expect(lines).toEqual([
    'request body 15 B',
    '  {"stream":true}',
    '',
    'response body 900 B, not kept',
  ])
})

it('joins the chunks of a body, cut within a character or not', () => {
  const bytes = Buffer.from('{"city":"東京"}')
  const chunk = (from: number, to: number): AnalysisMsg =>
    stamp({
      kind: 'response-body',
      exchangeId: 'x1',
      base64: bytes.subarray(from, to).toString('base64'),
      offset: from,
    })

  expect(textOf(rawTab(rowOf([chunk(0, 11)]), viewAt()))).toContain('  {"city":"')
  expect(textOf(rawTab(rowOf([chunk(0, 11), chunk(11, 30)]), viewAt()))).toContain(
    '  {"city":"東京"}',
  )
})

it('shows binary bodies as hexadecimal', () => {
  const base64 = Buffer.from([0xff, 0xd8, 0x41, 0x1b]).toString('base64')
  const row = rowOf([stamp({ kind: 'response-body', exchangeId: 'x1', base64, offset: 0 })])

  expect(textOf(rawTab(row, viewAt()))).toMatch(/ {2}00000000 {2}ff d8 41 1b +··A·/u)
})

it('says when a body is empty', () => {
  expect(linesOf(rawTab(rowOf([responseStart({ id: 'x1' })]), viewAt()))[0]).toBe(
    'request body empty',
  )
})
