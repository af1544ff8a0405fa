import { describe, expect, test } from 'vitest'

import { readBodyIds, readHeadIds } from '../../../analyzers/conversation/client-ids.ts'

const id = '0199f0c5-5b5b-7c60-a5a1-96c1e9b6a4c1'

describe('the head of a request', () => {
  test('names the session of each known client', () => {
    for (const name of [
      'X-Claude-Code-Session-Id',
      'session_id',
      'conversation_id',
      'x-opencode-session',
    ]) {
      expect(readHeadIds([[name, id]])).toEqual({ session: id, isSubAgent: false })
    }
  })

  test('names a thread of Codex and a sub-agent of Claude Code', () => {
    expect(
      readHeadIds([
        ['session_id', id],
        ['thread-id', id],
      ]),
    ).toEqual({ session: id, isSubAgent: false })
    expect(
      readHeadIds([
        ['session-id', id],
        ['thread-id', 'child'],
        ['x-openai-subagent', 'review'],
      ]),
    ).toEqual({ session: id, lane: 'child', isSubAgent: true })
    expect(readHeadIds([['x-claude-code-agent-id', 'a1']])).toEqual({
      lane: 'a1',
      isSubAgent: true,
    })
  })

  test('counts retries, and ignores what is no count or no id', () => {
    expect(readHeadIds([['X-Stainless-Retry-Count', '2']])).toEqual({
      isSubAgent: false,
      retryCount: 2,
    })
    expect(
      readHeadIds([
        ['x-stainless-retry-count', '-1'],
        ['session_id', ' '],
        ['conversation_id', 'x'.repeat(300)],
      ]),
    ).toEqual({ isSubAgent: false })
  })
})

describe('the body of a request', () => {
  test('of Claude Code has the session in the id of the user, in either form', () => {
    const user = `user_0_account__session_${id}`

    expect(readBodyIds({ metadata: { user_id: user } })).toEqual({ session: id })
    expect(readBodyIds({ metadata: { user_id: JSON.stringify({ session_id: id }) } })).toEqual({
      session: id,
    })
    expect(readBodyIds({ metadata: { user_id: 'somebody' } })).toEqual({})
  })

  test('of Gemini CLI has it in the request that it wraps', () => {
    expect(readBodyIds({ request: { session_id: id, contents: [] } })).toEqual({ session: id })
  })

  test('of Responses names the response or the conversation that it continues', () => {
    expect(readBodyIds({ previous_response_id: 'resp_1', conversation: { id: 'conv_1' } })).toEqual(
      {
        previousResponse: 'resp_1',
        conversation: 'conv_1',
      },
    )
  })

  test('has a cache key that counts only where it is an id of its own', () => {
    expect(readBodyIds({ prompt_cache_key: id })).toEqual({ cacheKey: id })
    expect(readBodyIds({ prompt_cache_key: 'my-app' })).toEqual({})
  })
})
