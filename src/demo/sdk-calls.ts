/** The demo's calls with the official SDKs, which are development dependencies. */
import type Anthropic from '@anthropic-ai/sdk'
import type OpenAI from 'openai'

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

/** Undefined where either SDK is not installed. */
export async function createSdkCalls(): Promise<DemoCalls | undefined> {
  const sdks = await loadSdks()
  if (sdks === undefined) return undefined
  // Base URLs are given, so that none in the user's environment is taken.
  const openai = new sdks.OpenAI({
    apiKey: dummyKeys.openai,
    baseURL: 'https://api.openai.com/v1',
    maxRetries: 0,
  })
  const anthropic = new sdks.Anthropic({
    apiKey: dummyKeys.anthropic,
    authToken: null,
    baseURL: 'https://api.anthropic.com',
    maxRetries: 0,
  })
  return {
    description: 'with the openai and Anthropic SDKs',
    ...openaiCalls(openai, sdks.OpenAI.APIError),
    ...anthropicCalls(anthropic),
  }
}

function openaiCalls(
  openai: OpenAI,
  ApiError: typeof OpenAI.APIError,
): Omit<DemoCalls, 'description' | 'messagesStream'> {
  return {
    async chatStream(write) {
      const stream = await openai.chat.completions.create({
        ...chatStreamRequest,
        messages: [...chatStreamRequest.messages],
      })
      for await (const chunk of stream) write(chunk.choices[0]?.delta.content ?? '')
    },
    async responsesStream(write) {
      const [tool] = responsesStreamRequest.tools
      const parameters = { ...tool.parameters, required: [...tool.parameters.required] }
      const stream = await openai.responses.create({
        ...responsesStreamRequest,
        tools: [{ ...tool, parameters }],
      })
      for await (const event of stream) {
        if (event.type === 'response.output_text.delta') write(event.delta)
        if (event.type === 'response.output_item.added' && event.item.type === 'function_call') {
          write(`calls ${event.item.name} `)
        }
        if (event.type === 'response.function_call_arguments.delta') write(event.delta)
      }
    },
    async embeddings(write) {
      const { data } = await openai.embeddings.create(embeddingsRequest)
      // With base64 asked for by name, the SDK hands the text on as it came.
      write(describeVector(data[0]?.embedding))
    },
    async missingModel(write) {
      try {
        await openai.chat.completions.create({
          ...missingModelRequest,
          messages: [...missingModelRequest.messages],
        })
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        write(`error: ${error.message}`)
        return
      }
      throw new Error('an error was expected, and there was none')
    },
  }
}

function anthropicCalls(anthropic: Anthropic): Pick<DemoCalls, 'messagesStream'> {
  return {
    async messagesStream(write) {
      const stream = await anthropic.messages.create({
        ...messagesStreamRequest,
        messages: [...messagesStreamRequest.messages],
      })
      for await (const event of stream) {
        if (event.type !== 'content_block_delta') continue
        if (event.delta.type === 'text_delta') write(event.delta.text)
      }
    },
  }
}

async function loadSdks() {
  try {
    const [{ default: OpenAI }, { default: Anthropic }] = await Promise.all([
      import('openai'),
      import('@anthropic-ai/sdk'),
    ])
    return { OpenAI, Anthropic }
  } catch {
    // Not installed, as in a package from the registry: fetch does the same.
    return undefined
  }
}
