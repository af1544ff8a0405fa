/**
 * What one event of a streamed answer adds to it, for showing an answer while it arrives. It knows
 * the shapes of OpenAI (chat, completions, Responses, Realtime, runs, transcripts), Anthropic and Gemini;
 * anything else adds nothing. The merged answer that follows a stream replaces what this gathered.
 */

/** `name` is set when a tool call begins; `text` is a piece of text, reasoning or arguments. */
export interface StreamDelta {
  readonly type: 'text' | 'reasoning' | 'tool-call'
  readonly text: string
  readonly name?: string
}

/** The pieces in one event's `data`, in order. Never throws. */
export function readStreamDeltas(data: string): readonly StreamDelta[] {
  if (!data.startsWith('{')) return []
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    // Not JSON: nothing this viewer can show as text.
    return []
  }
  if (!isRecord(value)) return []
  const type = value['type']
  if (typeof type === 'string') {
    if (type === 'transcript.text.delta') return piece('text', value['delta'])
    return type.startsWith('response.') ? readResponses(type, value) : readAnthropic(type, value)
  }
  if (value['object'] === 'thread.message.delta') return readThreadMessage(value['delta'])
  const choices = records(value['choices'])
  if (choices.length > 0) return choices.filter(isFirstChoice).flatMap(readChoice)
  return records(value['candidates']).slice(0, 1).flatMap(readCandidate)
}

type Fields = Readonly<Record<string, unknown>>

function readResponses(type: string, event: Fields): StreamDelta[] {
  switch (type) {
    case 'response.output_text.delta':
    case 'response.refusal.delta':
    case 'response.output_audio_transcript.delta':
    case 'response.audio_transcript.delta':
    case 'response.text.delta':
      return piece('text', event['delta'])
    case 'response.reasoning_text.delta':
    case 'response.reasoning_summary_text.delta':
      return piece('reasoning', event['delta'])
    case 'response.function_call_arguments.delta':
    case 'response.custom_tool_call_input.delta':
      return piece('tool-call', event['delta'])
    case 'response.output_item.added': {
      const item = event['item']
      return isRecord(item) ? toolStart(item['name']) : []
    }
    default:
      return []
  }
}

/** Messages of assistants: their texts stand one level deeper than elsewhere. */
function readThreadMessage(delta: unknown): StreamDelta[] {
  if (!isRecord(delta)) return []
  return records(delta['content']).flatMap(({ text }) =>
    isRecord(text) ? piece('text', text['value']) : [],
  )
}

function readAnthropic(type: string, event: Fields): StreamDelta[] {
  if (type === 'content_block_start') {
    const block = event['content_block']
    if (!isRecord(block)) return []
    return typeof block['name'] === 'string'
      ? toolStart(block['name'])
      : piece('text', block['text'])
  }
  const delta = event['delta']
  if (type !== 'content_block_delta' || !isRecord(delta)) return []
  return [
    ...piece('text', delta['text']),
    ...piece('reasoning', delta['thinking']),
    ...piece('tool-call', delta['partial_json']),
  ]
}

function readChoice(choice: Fields): StreamDelta[] {
  const delta = choice['delta']
  if (!isRecord(delta)) return piece('text', choice['text'])
  return [
    ...piece('reasoning', delta['reasoning_content'] ?? delta['reasoning']),
    ...piece('text', delta['content']),
    ...piece('text', delta['refusal']),
    ...records(delta['tool_calls']).flatMap(readToolCall),
  ]
}

function readToolCall(call: Fields): StreamDelta[] {
  const called = call['function']
  if (!isRecord(called)) return []
  return [...toolStart(called['name']), ...piece('tool-call', called['arguments'])]
}

function readCandidate(candidate: Fields): StreamDelta[] {
  const content = candidate['content']
  if (!isRecord(content)) return []
  return records(content['parts']).flatMap(readCandidatePart)
}

function readCandidatePart(part: Fields): StreamDelta[] {
  const call = part['functionCall']
  if (!isRecord(call)) return piece(part['thought'] === true ? 'reasoning' : 'text', part['text'])
  const args = JSON.stringify(call['args'] ?? {})
  return toolStart(call['name']).concat(piece('tool-call', args))
}

/** Several choices would interleave; the first is the one that is shown. */
function isFirstChoice(choice: Fields): boolean {
  return choice['index'] === undefined || choice['index'] === 0
}

function piece(type: StreamDelta['type'], text: unknown): StreamDelta[] {
  return typeof text === 'string' && text !== '' ? [{ type, text }] : []
}

function toolStart(name: unknown): StreamDelta[] {
  return typeof name === 'string' && name !== '' ? [{ type: 'tool-call', text: '', name }] : []
}

function records(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
