import { defaultAnalyzers } from '../../analyzers/index.ts'
/**
 * Transcripts of agents at work, in the shape in which the clients send them: exchanges with their
 * headers, bodies and reported counts. Times and ids are made up; ids are as long as real ones.
 */
import type { AnalysisMsg, HeaderPairs, MsgOf } from '../../src/messages/schema.ts'
import { exchangeMessages, ofKind, runAnalyzers } from './run-analyzers.ts'

export const minute = 60_000
const start = 1_700_000_000_000

export interface Step {
  readonly id: string
  /** Milliseconds after the beginning. */
  readonly at: number
  readonly url: string
  readonly headers?: HeaderPairs
  readonly body: object
  readonly status?: number
  readonly responseHeaders?: HeaderPairs
  readonly answer: object
  readonly agent?: string
  /** The exchange breaks before any answer. */
  readonly isLost?: boolean
}

export function messagesOf(steps: readonly Step[]): AnalysisMsg[] {
  const all = steps.flatMap((step) =>
    exchangeMessages({
      exchangeId: step.id,
      at: start + step.at,
      ...(step.agent === undefined ? {} : { agent: step.agent }),
      request: {
        url: step.url,
        headers: [['Content-Type', 'application/json'], ...(step.headers ?? [])],
        body: JSON.stringify(step.body),
      },
      ...(step.isLost === true
        ? {}
        : {
            response: {
              status: step.status ?? 200,
              headers: [['Content-Type', 'application/json'], ...(step.responseHeaders ?? [])],
              body: JSON.stringify(step.answer),
            },
          }),
      stepMs: 100,
    }),
  )
  return all.toSorted((a, b) => a.at - b.at)
}

/** `call-linked` by exchange. */
export function linksOf(steps: readonly Step[]): Map<string, MsgOf<'call-linked'>> {
  return linksIn(runAnalyzers(defaultAnalyzers(), messagesOf(steps)))
}

export function linksIn(messages: readonly AnalysisMsg[]): Map<string, MsgOf<'call-linked'>> {
  return new Map(ofKind(messages, 'call-linked').map((msg) => [msg.exchangeId ?? '', msg]))
}

/** Of a transcript that is known to have it. */
export function linkOf(
  links: ReadonlyMap<string, MsgOf<'call-linked'>>,
  id: string,
): MsgOf<'call-linked'> {
  const link = links.get(id)
  if (link === undefined) throw new Error(`${id} is not linked`)
  return link
}

const sessionId = '3d1c0d0e-5a55-4c3f-9a64-3f1f5b8f7b11'
const claudeHeaders: HeaderPairs = [
  ['User-Agent', 'claude-cli/2.1.330 (external, cli)'],
  ['anthropic-version', '2023-06-01'],
  ['x-app', 'cli'],
  ['X-Claude-Code-Session-Id', sessionId],
  ['X-Stainless-Retry-Count', '0'],
]
const userId = `user_${'0'.repeat(64)}_account__session_${sessionId}`
const mark = { cache_control: { type: 'ephemeral' } }
const tool = (name: string): object => ({
  name,
  description: `${name} of the command line`,
  input_schema: { type: 'object', properties: { input: { type: 'string' } } },
})
const mainTools = [tool('Bash'), tool('Read'), tool('Task')]
const agentTools = [tool('Bash'), tool('Read')]

/** Counts of Anthropic: fresh, read from the cache, written into it. */
export function anthropicUsage(fresh: number, read: number, written: number, output = 50): object {
  return {
    input_tokens: fresh,
    cache_read_input_tokens: read,
    cache_creation_input_tokens: written,
    output_tokens: output,
  }
}

export function claudeStep(
  id: string,
  at: number,
  messages: readonly object[],
  answer: { readonly content: readonly object[]; readonly usage: object },
  more: {
    readonly model?: string
    readonly system?: string
    readonly tools?: readonly object[]
    readonly body?: object
    readonly status?: number
    readonly answer?: object
  } = {},
): Step {
  const { model = 'claude-sonnet-4-5', system = 'You are Claude Code.', tools = mainTools } = more
  const hasCall = answer.content.some((block) => 'name' in block)
  return {
    id,
    at,
    url: 'https://api.anthropic.com/v1/messages?beta=true',
    headers: claudeHeaders,
    body: {
      model,
      max_tokens: 32_000,
      system: [
        { type: 'text', text: `x-anthropic-billing-header: cc_version=2.1.330; cch=${id};` },
        { type: 'text', text: system, ...mark },
      ],
      tools,
      metadata: { user_id: userId },
      messages: withMark(messages),
      ...more.body,
    },
    ...(more.status === undefined ? {} : { status: more.status }),
    answer: more.answer ?? {
      id: `msg_${id}`,
      type: 'message',
      role: 'assistant',
      model,
      content: answer.content,
      stop_reason: hasCall ? 'tool_use' : 'end_turn',
      usage: answer.usage,
    },
  }
}

/** The mark wanders to the last block of the last message, whose text then stands in a list. */
function withMark(messages: readonly object[]): object[] {
  return messages.map((message, index) => {
    if (index < messages.length - 1 || !('content' in message)) return message
    const { content } = message
    const blocks = Array.isArray(content)
      ? (content as object[])
      : [{ type: 'text', text: content }]
    const last = { ...blocks.at(-1), ...mark }
    return { ...message, content: [...blocks.slice(0, -1), last] }
  })
}

const says = (text: string): object => ({ type: 'text', text })
const uses = (id: string, name: string, input: object): object => ({
  type: 'tool_use',
  id: `toolu_01${id}ABCDEFGH`,
  name,
  input,
})
const user = (content: string): object => ({ role: 'user', content })
const assistant = (...content: readonly object[]): object => ({ role: 'assistant', content })
const result = (id: string, text: string, isError = false): object => ({
  type: 'tool_result',
  tool_use_id: `toolu_01${id}ABCDEFGH`,
  content: text,
  ...(isError ? { is_error: true } : {}),
})
const results = (...blocks: readonly object[]): object => ({ role: 'user', content: blocks })

const explore = 'Find every place that reads the configuration file.'
const review = 'Review the tests of the configuration and name what is missing.'

/**
 * Claude Code: a quota check and a title first, a turn with a failing tool, two sub-agents at once, an
 * overloaded service, a second turn after the cache has expired, and a compaction.
 */
export function claudeCodeDay(): Step[] {
  const first = [user('Where is the configuration read?')]
  const bash = uses('bash', 'Bash', { input: 'grep -rn config src' })
  const second = [
    ...first,
    assistant(says('I will look.'), bash),
    results(result('bash', 'exit 2', true)),
  ]
  const tasks = [
    uses('task1', 'Task', { description: 'explore', prompt: explore }),
    uses('task2', 'Task', { description: 'review', prompt: review }),
  ]
  const third = [
    ...second,
    assistant(...tasks),
    results(result('task1', 'in settings.ts'), result('task2', 'nothing')),
  ]
  const fourth = [...third, assistant(says('In settings.ts.')), user('Add a test for it.')]
  const read = uses('read', 'Read', { input: 'src/settings.ts' })
  const agentFirst = [user(explore)]
  const agentSecond = [...agentFirst, assistant(read), results(result('read', 'the file'))]
  const agent = { system: 'You are a search agent.', tools: agentTools }
  const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
  const none = { content: [], usage: {} }
  const small = { content: [says('#')], usage: anthropicUsage(8, 0, 0, 1) }
  return [
    claudeStep('quota', 0, [user('quota')], small, { tools: [], body: { max_tokens: 1 } }),
    claudeStep('title', 2_000, first, small, {
      model: 'claude-haiku-4-5',
      system: 'Write a title of at most six words.',
      tools: [],
    }),
    claudeStep('main1', 4_000, first, {
      content: [says('I will look.'), bash],
      usage: anthropicUsage(4, 0, 12_000),
    }),
    claudeStep('main2', 10_000, second, { content: tasks, usage: anthropicUsage(4, 12_000, 300) }),
    claudeStep(
      'sub1a',
      13_000,
      agentFirst,
      { content: [read], usage: anthropicUsage(4, 0, 5_000) },
      agent,
    ),
    claudeStep(
      'sub2',
      13_500,
      [user(review)],
      { content: [says('nothing')], usage: anthropicUsage(4, 5_000, 40) },
      agent,
    ),
    claudeStep(
      'sub1b',
      16_000,
      agentSecond,
      { content: [says('in settings.ts')], usage: anthropicUsage(4, 5_000, 200) },
      agent,
    ),
    claudeStep('main3a', 20_000, third, none, { status: 529, answer: overloaded }),
    claudeStep('main3b', 22_000, third, none, { status: 529, answer: overloaded }),
    claudeStep('main3', 26_000, third, {
      content: [says('In settings.ts.')],
      usage: anthropicUsage(4, 12_300, 400),
    }),
    claudeStep('main4', 26_000 + 7 * minute, fourth, {
      content: [says('Done.')],
      usage: anthropicUsage(4, 0, 12_800),
    }),
    claudeStep(
      'main5',
      26_000 + 8 * minute,
      [user('This session goes on. Summary: a test was added.')],
      {
        content: [says('Go on.')],
        usage: anthropicUsage(4, 9_000, 900),
      },
    ),
  ].map((step) => normalized(step))
}

/** The accounting line differs with every request, but a retry is sent byte for byte. */
function normalized(step: Step): Step {
  if (!step.id.startsWith('main3')) return step
  return {
    ...step,
    body: JSON.parse(JSON.stringify(step.body).replaceAll(/cch=main3[ab]?/gu, 'cch=1')) as object,
  }
}
