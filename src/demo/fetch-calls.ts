/** The demo's calls with fetch alone: the same requests as the SDKs make, read with the SSE parser. */
import { EventSourceParserStream } from 'eventsource-parser/stream'
import { z } from 'zod'

import type { DemoCalls } from './demo-calls.ts'
import { describeVector } from './demo-calls.ts'
import {
  chatStreamRequest,
  dummyKeys,
  embeddingsRequest,
  messagesStreamRequest,
  missingModelRequest,
  responsesStreamRequest,
} from './requests.ts'

const chatChunk = z.object({
  choices: z.array(z.object({ delta: z.object({ content: z.string().nullish() }) })),
})
const responsesEvent = z.object({
  type: z.string(),
  delta: z.string().optional(),
  item: z.object({ type: z.string(), name: z.string().optional() }).optional(),
})
const messagesEvent = z.object({
  type: z.string(),
  delta: z.object({ type: z.string().optional(), text: z.string().optional() }).optional(),
})
const embeddingsAnswer = z.object({ data: z.array(z.object({ embedding: z.unknown() })).min(1) })
const errorAnswer = z.object({ error: z.object({ message: z.string() }) })

const openai = 'https://api.openai.com/v1'
const openaiHeaders = { authorization: `Bearer ${dummyKeys.openai}` }

export function createFetchCalls(): DemoCalls {
  return {
    description: 'with fetch',
    async chatStream(write) {
      const response = await post(`${openai}/chat/completions`, openaiHeaders, chatStreamRequest)
      for await (const data of events(response)) {
        const { choices } = chatChunk.parse(data)
        write(choices[0]?.delta.content ?? '')
      }
    },
    async responsesStream(write) {
      const response = await post(`${openai}/responses`, openaiHeaders, responsesStreamRequest)
      for await (const data of events(response)) {
        const { type, delta, item } = responsesEvent.parse(data)
        if (type === 'response.output_item.added' && item?.type === 'function_call') {
          write(`calls ${item.name ?? ''} `)
        } else if (type.endsWith('.delta')) {
          write(delta ?? '')
        }
      }
    },
    async embeddings(write) {
      const response = await post(`${openai}/embeddings`, openaiHeaders, embeddingsRequest)
      const { data } = embeddingsAnswer.parse(await response.json())
      write(describeVector(data[0]?.embedding))
    },
    async missingModel(write) {
      const response = await send(`${openai}/chat/completions`, openaiHeaders, missingModelRequest)
      const { error } = errorAnswer.parse(await response.json())
      write(`error: ${response.status} ${error.message}`)
    },
    async messagesStream(write) {
      const response = await post(
        'https://api.anthropic.com/v1/messages',
        { 'x-api-key': dummyKeys.anthropic, 'anthropic-version': '2023-06-01' },
        messagesStreamRequest,
      )
      for await (const data of events(response)) {
        const { delta } = messagesEvent.parse(data)
        if (delta?.type === 'text_delta') write(delta.text ?? '')
      }
    },
  }
}

function send(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: object,
): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

async function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: object,
): Promise<Response> {
  const response = await send(url, headers, body)
  if (!response.ok) throw new Error(`${response.status} from ${url}: ${await response.text()}`)
  return response
}

/** The JSON of each event; `[DONE]` ends an OpenAI chat stream and is none. */
async function* events(response: Response): AsyncGenerator {
  if (response.body === null) throw new Error('the answer has no body')
  const parsed = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream())
  for await (const { data } of parsed) {
    if (data !== '[DONE]') yield JSON.parse(data) as unknown
  }
}
