/** What clients send and origins answer: shaped like the APIs of model providers, made of noise words. */

const vocabulary =
  'the model reads a file and then writes code that returns early when value is null because tests in src fail with error while parsing json token stream from upstream proxy; const result = await open(path) if (ok) return'.split(
    ' ',
  )

/** Deterministic text of about `length` characters. */
export function words(length: number, seed = 1): string {
  const parts: string[] = []
  let state = seed
  for (let size = 0; size < length;) {
    // Numerical Recipes' linear congruential generator: the same text in every process.
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    const word = vocabulary[state % vocabulary.length] ?? ''
    parts.push(word)
    size += word.length + 1
  }
  return parts.join(' ')
}

/** A chat completion request of a few hundred bytes. */
export function smallRequestBody(): Buffer {
  return json({
    model: 'gpt-4o-mini',
    temperature: 0.2,
    messages: [
      { role: 'system', content: 'You answer in one short sentence.' },
      { role: 'user', content: words(200) },
    ],
  })
}

/** The request of an agent deep in its work: tools, and a long history of messages. */
export function contextRequestBody(bytes: number, stream = false): Buffer {
  const messages: object[] = [{ role: 'system', content: words(6000) }]
  const turns = Math.max(1, Math.floor(bytes / turnBytes))
  for (let turn = 0; turn < turns; turn += 1) {
    const id = `call_${turn}`
    const args = JSON.stringify({ path: `src/file-${turn}.ts`, content: words(1200, turn + 2) })
    messages.push(
      { role: 'user', content: words(600, turn) },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id, type: 'function', function: { name: 'write_file', arguments: args } }],
      },
      { role: 'tool', tool_call_id: id, content: `${words(6000, turn + 1)}\n"quoted"\n\t— done` },
    )
  }
  return json({ model: 'gpt-4o-mini', stream, tools: tools(), messages })
}

/** About what one turn above takes. */
const turnBytes = 8150

/** A chat completion answer of about one kilobyte. */
export function smallAnswerBody(): Buffer {
  return json({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'gpt-4o-mini-2024-07-18',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: words(560, 7), refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: {
      prompt_tokens: 61,
      completion_tokens: 120,
      total_tokens: 181,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
    },
    service_tier: 'default',
  })
}

/** Lines of JSON, as in files for batches. */
export function fileBody(bytes: number): Buffer {
  const lines: string[] = []
  for (let size = 0, index = 0; size < bytes; index += 1) {
    const line = JSON.stringify({
      custom_id: `request-${index}`,
      body: { input: words(900, index) },
    })
    lines.push(line)
    size += line.length + 1
  }
  return Buffer.from(lines.join('\n')).subarray(0, bytes)
}

/** One chunk of a streamed chat completion. `stamp` is what the origin wants to have measured. */
export function streamEvent(stamp: string): string {
  const chunk = {
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model: 'gpt-4o-mini-2024-07-18',
    system_fingerprint: stamp,
    choices: [{ index: 0, delta: { content: ' stream' }, logprobs: null, finish_reason: null }],
  }
  return `data: ${JSON.stringify(chunk)}\n\n`
}

export const streamEnd = 'data: [DONE]\n\n'

function tools(): object[] {
  return ['read_file', 'write_file', 'run_tests', 'search'].map((name) => ({
    type: 'function',
    function: {
      name,
      description: words(240, name.length),
      parameters: { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] },
    },
  }))
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}
