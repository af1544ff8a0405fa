import { describe, expect, it } from 'vitest'

import type { AnalysisMsg, CallLink, ModelMessage } from '../../../src/messages/schema.ts'
import { diffTab } from '../../../src/tui/diff-tab.ts'
import type { Row } from '../../../src/tui/row.ts'
import { callStart, stamp } from './sample-messages.ts'
import { rowsOf, textOf, viewAt } from './tab-view.ts'

interface Said {
  readonly model?: string
  readonly messages?: readonly ModelMessage[]
  readonly tools?: ReadonlyArray<{ name: string; description?: string }>
}

const say = (role: string, text: string): ModelMessage => ({
  role,
  parts: [{ type: 'text', text }],
})

function called(exchangeId: string, { model = 'm', messages = [], tools = [] }: Said): AnalysisMsg {
  return stamp({
    kind: 'model-called',
    exchangeId,
    provider: 'openai',
    operation: 'chat',
    model,
    streaming: false,
    messages: [...messages],
    tools: [...tools],
  })
}

function linked(exchangeId: string, link: Partial<CallLink>): AnalysisMsg {
  return stamp({
    kind: 'call-linked',
    exchangeId,
    sessionId: 's',
    sessionSource: 'header',
    turn: 1,
    branch: 'main',
    branchId: 'b',
    previousExchangeId: 'x1',
    changed: [],
    cache: { verdict: 'unknown' },
    attempt: 1,
    toolResults: [],
    ...link,
  })
}

function diff(before: Said, after: Said, link: Partial<CallLink>, width = 80): string {
  const [previous, row] = rowsOf([called('x1', before), called('x2', after), linked('x2', link)])
  return textOf(diffTab(row as Row, previous, viewAt(width)))
}

describe('the difference to the call before', () => {
  it('names another model, and tools that came, went or read differently', () => {
    const text = diff(
      { model: 'a', tools: [{ name: 'Bash' }, { name: 'Read', description: 'old' }] },
      { model: 'b', tools: [{ name: 'Read', description: 'new' }, { name: 'Write' }] },
      { changed: ['model', 'tools'] },
    )

    expect(text).toContain('model\n  - a\n  + b')
    expect(text).toContain('tools 2 → 2\n  - Bash\n  + Write\n  ~ Read description changed')
  })

  it('says that tools changed where their names do not tell how', () => {
    const tools = [{ name: 'Bash' }]

    expect(diff({ tools }, { tools }, { changed: ['tools'] })).toContain(
      'their order or parameters changed',
    )
  })

  it('shows the changed lines of the system prompt with what stands around them', () => {
    const lines = Array.from({ length: 20 }, (_, at) => `rule ${at}`)
    const before = [say('system', lines.join('\n'))]
    const after = [say('system', lines.with(10, 'rule ten').join('\n'))]

    expect(diff({ messages: before }, { messages: after }, { changed: ['system'] })).toContain(
      [
        'system prompt',
        '    rule 7',
        '    rule 8',
        '    rule 9',
        '  - rule 10',
        '  + rule ten',
        '    rule 11',
        '    rule 12',
        '    rule 13',
        '',
      ].join('\n'),
    )
  })

  it('shows where long lines part', () => {
    const text = diff(
      { messages: [say('system', `${'same '.repeat(100)}Monday`)] },
      { messages: [say('system', `${'same '.repeat(100)}Tuesday`)] },
      { changed: ['system'] },
    )

    expect(text).toMatch(/^ {2}- ….*Monday$/mu)
    expect(text).toMatch(/^ {2}\+ ….*Tuesday$/mu)
  })

  it('shows the first message that differs, and what was appended', () => {
    const before = [say('system', 's'), say('user', 'one'), say('assistant', 'two')]
    const after = [
      say('system', 's'),
      say('user', 'One!'),
      say('assistant', 'two'),
      say('user', 'go'),
    ]
    const text = diff(
      { messages: before },
      { messages: after },
      {
        changed: ['message', 'appended'],
        changedMessage: 1,
      },
    )

    expect(text).toContain('first message that differs message 1 of 2, user\n  - one\n  + One!')
    expect(text).toContain('appended 1 message\n▸ + user go')
  })

  it('counts what it shares, and needs no more where only something was appended', () => {
    const before = [say('user', 'one')]
    const after = [say('user', 'one'), say('assistant', 'two'), say('user', 'three')]
    const text = diff(
      { messages: before },
      { messages: after },
      {
        changed: ['appended'],
        sharedMessages: 1,
        sharedTokens: 1500,
      },
    )

    expect(text).toContain('shares 1 messages (1,500 tokens) · changed: appended')
    expect(text).toContain('appended 2 messages\n▸ + assistant two\n▸ + user three')
  })

  it('is bounded for texts that have nothing in common', () => {
    const lines = (word: string): string =>
      Array.from({ length: 5000 }, (_, at) => `${word} ${at}`).join('\n')
    const text = diff(
      { messages: [say('system', lines('a'))] },
      { messages: [say('system', lines('b'))] },
      { changed: ['system'] },
    )

    expect(text.split('\n').length).toBeLessThan(420)
    expect(text).toContain('more lines')
  })
})

describe('without a call before', () => {
  it('says why there is nothing to compare', () => {
    const row = (messages: readonly AnalysisMsg[]): Row => rowsOf(messages)[0] as Row
    const first = row([called('x2', {}), linked('x2', { previousExchangeId: undefined })])

    expect(textOf(diffTab(first, undefined, viewAt()))).toContain('the first call of its branch')
    expect(textOf(diffTab(row(callStart({ id: 'x1' })), undefined, viewAt()))).toContain(
      'not known yet',
    )
    const gone = row([called('x2', {}), linked('x2', { changed: ['tools'] })])
    expect(textOf(diffTab(gone, undefined, viewAt()))).toContain('not kept any more')
  })
})
