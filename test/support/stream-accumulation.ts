/**
 * What each stream of Bedrock, Ollama and Cohere adds up to, in the plainest way: written from the
 * services' documentation for whole, undamaged streams, and apart from the mergers under test.
 */
import { innerEvents, readAwsEvents } from './aws-frames.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- recorded JSON, whose shape is the point
type Any = any

export function accumulate(path: string, body: Buffer): unknown {
  if (path.endsWith('/converse-stream')) {
    return converse(readAwsEvents(body).map(({ type, payload }) => [type, payload]))
  }
  if (path.endsWith('/invoke-with-response-stream')) return invoke(innerEvents(body))
  const text = body.toString()
  if (path === '/v2/chat') {
    const data = text.split('\n').filter((line) => line.startsWith('data: {'))
    return cohere(data.map((line) => JSON.parse(line.slice(6)) as Any))
  }
  const lines = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Any)
  return path === '/v1/chat' ? lines.at(-1).response : ollama(lines)
}

function converse(events: ReadonlyArray<readonly [string, Any]>): unknown {
  const content: Any[] = []
  const inputs: string[] = []
  let rest: Any = {}
  for (const [type, { p: _padding, ...event }] of events) {
    const at = event.contentBlockIndex
    if (type === 'contentBlockStart') content[at] = { toolUse: event.start.toolUse }
    if (type === 'contentBlockDelta' && event.delta.toolUse !== undefined) {
      inputs[at] = (inputs[at] ?? '') + String(event.delta.toolUse.input)
    } else if (type === 'contentBlockDelta') {
      content[at] = { text: String(content[at]?.text ?? '') + String(event.delta.text) }
    }
    if (type === 'messageStop' || type === 'metadata') rest = { ...rest, ...event }
  }
  for (const [at, input] of inputs.entries()) {
    if (input !== undefined) {
      content[at] = { toolUse: { ...content[at].toolUse, input: JSON.parse(input) } }
    }
  }
  return { output: { message: { role: 'assistant', content } }, ...rest }
}

function invoke(events: Any[]): unknown {
  const added: Any = {}
  for (const event of events) {
    for (const [key, value] of Object.entries(event)) {
      if (key.startsWith('amazon-bedrock-')) added[key] = value
    }
  }
  if (events[0].messageStart !== undefined) {
    const { 'amazon-bedrock-invocationMetrics': _metrics, ...guardrail } = added
    return { ...nova(events), ...guardrail }
  }
  return { ...titan(events), ...added }
}

function nova(events: Any[]): Any {
  const text = events.map((event) => event.contentBlockDelta?.delta.text ?? '').join('')
  const { metadata } = events.find((event) => event.metadata !== undefined) as Any
  const { messageStop } = events.find((event) => event.messageStop !== undefined) as Any
  const message = { role: 'assistant', content: [{ text }] }
  return { output: { message }, ...messageStop, ...metadata }
}

function titan(events: Any[]): Any {
  const last = (key: string): unknown => events.findLast((event) => event[key] != null)?.[key]
  const reason = last('completionReason')
  return {
    inputTextTokenCount: last('inputTextTokenCount'),
    results: [
      {
        outputText: events.map((event) => event.outputText ?? '').join(''),
        tokenCount: last('totalOutputTextTokenCount') ?? null,
        ...(reason === undefined ? {} : { completionReason: reason }),
      },
    ],
  }
}

function cohere(events: Any[]): unknown {
  const start = events.find(({ type }) => type === 'message-start')
  const end = events.find(({ type }) => type === 'message-end')
  const contents: Any[] = []
  const calls: Any[] = []
  const citations: Any[] = []
  let plan = ''
  for (const { type, index, delta } of events) {
    const message = delta?.message
    if (type === 'content-start') contents[index] = { ...message.content }
    if (type === 'content-delta') contents[index].text += message.content.text
    if (type === 'tool-plan-delta') plan += message.tool_plan
    if (type === 'tool-call-start') calls[index] = structuredClone(message.tool_calls)
    if (type === 'tool-call-delta') {
      calls[index].function.arguments += message.tool_calls.function.arguments
    }
    if (type === 'citation-start') citations.push(message.citations)
  }
  return {
    id: start.id,
    message: {
      role: 'assistant',
      ...(contents.length === 0 ? {} : { content: contents }),
      ...(plan === '' ? {} : { tool_plan: plan }),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
      ...(citations.length === 0 ? {} : { citations }),
    },
    ...end.delta,
  }
}

function ollama(lines: Any[]): unknown {
  const last = lines.at(-1)
  if (last.message === undefined) {
    return { ...last, response: lines.map(({ response }) => response).join('') }
  }
  const content = lines.map(({ message }) => message.content).join('')
  return { ...last, message: { ...last.message, content } }
}
