import { describe, expect, test } from 'vitest'

import { readNegotiated } from '../../../src/proxy/websocket-extensions.ts'

const both = { request: true, response: true }

function read(...values: readonly string[]): ReturnType<typeof readNegotiated> {
  return readNegotiated([
    ['Upgrade', 'websocket'],
    ...values.map((value): [string, string] => ['sec-websocket-Extensions', value]),
  ])
}

describe('the extensions of a 101', () => {
  test.each([[], [''], [' , ']])('none mean no compression (%j)', (...values) => {
    expect(read(...values)).toEqual({ ok: true, compression: undefined })
  })

  test.each([
    ['permessage-deflate', both],
    ['Permessage-Deflate ; Server_Max_Window_Bits = 10', both],
    ['permessage-deflate; client_max_window_bits="15"; server_max_window_bits=8', both],
    ['permessage-deflate; server_no_context_takeover', { request: true, response: false }],
    ['permessage-deflate;client_no_context_takeover', { request: false, response: true }],
    [
      'permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits=9',
      { request: false, response: false },
    ],
  ])('%s is known', (value, keepsContext) => {
    expect(read(value)).toEqual({ ok: true, compression: { keepsContext } })
  })

  test.each([
    ['x-webkit-deflate-frame', 'the extension x-webkit-deflate-frame is not known'],
    ['permessage-deflate, x-other', 'the extension x-other is not known'],
    ['permessage-deflate; window=3', 'the parameters of permessage-deflate are not known'],
    [
      'permessage-deflate; client_max_window_bits',
      'the parameters of permessage-deflate are not known',
    ],
    [
      'permessage-deflate; server_max_window_bits=16',
      'the parameters of permessage-deflate are not known',
    ],
    [
      'permessage-deflate; server_max_window_bits=7',
      'the parameters of permessage-deflate are not known',
    ],
    ['permessage-deflate;', 'the parameters of permessage-deflate are not known'],
    [
      'permessage-deflate, permessage-deflate',
      'the parameters of permessage-deflate are not known',
    ],
    ['; x', 'the extension  is not known'],
  ])('%s cannot be read', (value, problem) => {
    expect(read(value)).toEqual({ ok: false, problem })
  })

  test('may stand on several lines', () => {
    expect(read('permessage-deflate', 'x-other')).toMatchObject({ ok: false })
  })

  test('with a name without end are told in short', () => {
    const told = read('x'.repeat(5000))

    expect(told.ok ? '' : told.problem).toHaveLength('the extension  is not known'.length + 40)
  })
})
