/** What the demo asks. Model and stream flag pick the recording; the prompts are the recorded ones. */

/** Not keys: they only show that Porthole hides what stands in their place. */
export const dummyKeys = {
  openai: 'sk-demo-not-a-real-key',
  anthropic: 'sk-ant-demo-not-a-real-key',
} as const

export const chatStreamRequest = {
  model: 'gpt-4o-mini',
  messages: [
    { role: 'developer', content: 'A streaming test agent' },
    { role: 'user', content: 'What is 10 + 5?' },
  ],
  stream: true,
  stream_options: { include_usage: true },
} as const

export const responsesStreamRequest = {
  model: 'gpt-4o',
  instructions: 'You compose and arrange symphonic music pieces using your composition tools.',
  input: 'Can you create a new symphony in D major?',
  stream: true,
  tools: [
    {
      type: 'function',
      name: 'compose_music',
      description: 'Compose music in the specified style and key.',
      strict: true,
      parameters: {
        type: 'object',
        properties: { style: { type: 'string' }, key: { type: 'string' } },
        required: ['style', 'key'],
        additionalProperties: false,
      },
    },
  ],
} as const

export const embeddingsRequest = {
  model: 'text-embedding-ada-002',
  input: 'Tell me a joke about opentelemetry',
  encoding_format: 'base64',
} as const

export const missingModelRequest = {
  model: 'gpt-3.5-turbo-0613',
  messages: [{ role: 'user', content: 'What is 8 times 8?' }],
  stream: true,
} as const

export const messagesStreamRequest = {
  model: 'claude-3-7-sonnet-20250219',
  max_tokens: 2048,
  thinking: { type: 'enabled', budget_tokens: 1024 },
  messages: [
    {
      role: 'user',
      content: "How many times does the letter 'r' appear in the word strawberry?",
    },
  ],
  stream: true,
} as const
