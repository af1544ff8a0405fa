import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { createMarkdownWriter } from '../../../../src/capture/export/markdown-calls.ts'
import type { AnalysisMsg, Part } from '../../../../src/messages/schema.ts'
import type { ExchangeRecord } from '../../../../src/recorded/exchange-record.ts'
import { readBlocks } from '../../../support/markdown-blocks.ts'
import {
  analyzedMessages,
  gatherMessages,
  recordOfExchange,
  recordOfFixture,
} from '../../../support/records.ts'

function chat(messages: object[], answer: object): Parameters<typeof recordOfExchange>[0] {
  return {
    request: {
      url: 'https://api.openai.com/v1/chat/completions',
      body: JSON.stringify({ model: 'gpt-4o', messages }),
    },
    response: {
      body: JSON.stringify({
        object: 'chat.completion',
        model: 'gpt-4o',
        choices: [{ index: 0, message: { role: 'assistant', ...answer }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 1000, completion_tokens: 10, total_tokens: 1010 },
      }),
    },
  }
}

/** A record of a call with these parts as its answer. */
function answering(...output: Part[]): ExchangeRecord {
  const record = recordOfExchange(chat([{ role: 'user', content: 'q' }], { content: 'a' }))
  const [call] = record.calls
  if (call?.answered === undefined) throw new Error('no call')
  return { ...record, calls: [{ ...call, answered: { ...call.answered, output } }] }
}

describe('a conversation in Markdown', () => {
  test('shows the least amounts as people write them', () => {
    const record = answering()
    const calls = record.calls.map((call) =>
      call.answered?.cost === undefined
        ? call
        : {
            ...call,
            answered: { ...call.answered, cost: { ...call.answered.cost, usd: 0.000_000_8 } },
          },
    )

    expect(createMarkdownWriter().write({ ...record, calls })).toContain(' · $0.0000008 · ')
  })

  test('has a heading with model, tokens and cost, and what was said', () => {
    const record = recordOfExchange(
      chat(
        [
          { role: 'system', content: 'be brief' },
          { role: 'user', content: 'why?' },
        ],
        {
          content: 'because',
        },
      ),
    )
    const text = createMarkdownWriter().write(record)

    expect(text).toMatch(/^## 1 · `gpt-4o` · `openai chat`\n/u)
    expect(text).toContain('1000 tokens in, 10 out · $0.0026 · 0.06 s · ended with `stop`\n')
    expect(text).toContain('### `system`\n\n```\nbe brief\n```\n')
    expect(text).toContain('### `user`\n\n```\nwhy?\n```\n')
    expect(text).toMatch(/### answer\n\n```\nbecause\n```\n$/u)
  })

  test('shows tools that are called once, with their arguments', () => {
    const record = recordOfFixture('messages-tools-stream')
    const text = createMarkdownWriter().write(record)
    const called = record.calls[0]?.answered?.toolCalls ?? []

    expect(called.length).toBeGreaterThan(0)
    expect(text.match(/^\*\*calls\*\* /gmu)).toHaveLength(called.length)
    expect(text).toContain(`**calls** \`${called[0]?.name ?? ''}\``)
  })

  test('describes pictures by a line, and results by their call', () => {
    const text = createMarkdownWriter().write(
      answering(
        { type: 'media', mediaType: 'image/png', bytes: 2048, width: 10, height: 20 },
        { type: 'tool-result', id: 'call_1', text: 'found' },
        { type: 'reasoning', text: 'hm' },
        { type: 'other', name: 'citation', text: 'page 3' },
      ),
    )

    expect(text).toContain('*`image/png`, 2048 bytes, 10 × 20*\n')
    expect(text).toContain('**result** (`call_1`)\n\n```\nfound\n```\n')
    expect(text).toContain('*reasoning*\n\n```\nhm\n```\n')
    expect(text).toContain('*`citation`*\n\n```\npage 3\n```\n')
  })

  test('shows of a later call what is new, and names the call that has the rest', () => {
    const first = [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'one?' },
    ]
    const second = [
      ...first,
      { role: 'assistant', content: 'answer one' },
      { role: 'user', content: 'two?' },
    ]
    const [one, two] = gatherMessages(
      analyzedMessages([
        chat(first, { content: 'answer one' }),
        { ...chat(second, { content: 'answer two' }), at: 1_700_000_100_000 },
      ]),
    )
    if (one === undefined || two === undefined) throw new Error('two records')
    const writer = createMarkdownWriter()
    writer.write(one)
    const later = writer.write(two)
    const alone = createMarkdownWriter().write(two)

    expect(later).toContain('*The first message is that of call 1.*')
    expect(later).toContain('two?')
    expect(later).not.toContain('one?')
    expect(later).not.toContain('be brief')
    expect(alone).toContain('one?')
    expect(alone).toContain('be brief')
  })

  test('tells errors, and what is no call', () => {
    const failed = recordOfFixture('chat-error')
    const page = recordOfExchange({ request: { url: 'https://a.example/`x`' }, response: {} })
    const writer = createMarkdownWriter()

    expect(writer.write(failed)).toContain('**error** ')
    expect(writer.write(page)).toBe('## 2 · `` POST https://a.example/`x` ``\n\nstatus 200\n')
  })

  test('tells tunnels, files and tools of a server in short', () => {
    const common = { v: 1, exchangeId: 'x', by: 'a', durationMs: 1, complete: true }
    const drafts = [
      {
        ...common,
        kind: 'mcp-called',
        server: 's',
        method: 'tools/call',
        name: 'add',
        arguments: '{}',
      },
      {
        ...common,
        kind: 'mcp-answered',
        server: 's',
        method: 'tools/call',
        requestId: '1',
        result: [],
      },
      {
        ...common,
        exchangeId: 'y',
        kind: 'operation-performed',
        provider: 'openai',
        operation: 'files.list',
        subjects: [],
        facts: [{ name: 'count', value: '3' }],
      },
      { v: 1, kind: 'tunnel-closed', connectionId: 'c', host: 'h', port: 443, durationMs: 1 },
    ].map((draft, seq) => Object.assign(draft, { seq, at: seq }))
    const writer = createMarkdownWriter()
    const texts = gatherMessages(drafts as unknown as AnalysisMsg[]).map(
      (record) => writer.write(record).split('\n')[0],
    )

    expect(texts).toEqual([
      '## 1 · `MCP s tools/call add`',
      '## 2 · `openai files.list`',
      '## 3 · `tunnel h`',
    ])
  })

  const hostile = fc.string({
    unit: fc.constantFrom('`', '```', '~~~', '\n', '# h', '<b>', '![](http://a)', '\u001b[2J', 'x'),
  })
  property.prop([hostile, hostile, hostile], { numRuns: 50 })(
    'lets nothing out of its blocks that a model or a program wrote',
    (text, name, given) => {
      const record = answering(
        { type: 'text', text },
        { type: 'tool-call', id: name, name, arguments: given },
        { type: 'media', mediaType: name },
      )
      const { prose, isClosed } = readBlocks(createMarkdownWriter().write(record))
      const outside = prose.map((line) => line.replaceAll(/(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)/gu, ''))

      expect(isClosed).toBe(true)
      expect(outside.filter((line) => /<b>|!\[|\u001b|^# h/u.test(line))).toEqual([])
    },
  )
})
