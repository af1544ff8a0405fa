/**
 * Bedrock's InvokeModel (`POST /model/{id}/invoke`): bodies are those of the model's family, told
 * apart by their shape, since inference profiles and imported models have ids that say nothing. The
 * model is the id that was called; the counts are the family's own, else those that Bedrock adds.
 */
import type { HeaderPairs, Json, ModelMessage, Part } from '../../src/messages/schema.ts'
import type { JsonRecord } from '../wire/json.ts'
import { countOf, isRecord, listOf, recordOf, recordsOf, textOf } from '../wire/json.ts'
import { anthropicCompleteWire } from './anthropic-complete.ts'
import { anthropicMessagesWire } from './anthropic-messages-wire.ts'
import { readConverseAnswer, readConverseCall } from './bedrock-converse-wire.ts'
import { bedrockInvoke } from './bedrock-invoke.ts'
import { bedrockModel } from './bedrock-model.ts'
import { isGuarded, isOfTier, readInvokeUsage } from './bedrock-usage.ts'
import { cohereV1ChatWire } from './cohere-chat-wire.ts'
import { cohereEmbedWire, cohereRerankWire, readGenerations } from './cohere-plain-wire.ts'
import type { AnswerReading, CallReading, CallTarget, ModelWire } from './model-wire.ts'
import { mediaFromBase64, optional, otherPart } from './model-wire.ts'
import { openaiChatWire } from './openai-chat-wire.ts'
import { openaiCompletionsWire } from './openai-plain-wire.ts'
import type { ReportedUsage } from './usage.ts'
import { fromDisjoint } from './usage.ts'
import { vectorParts, vectorsOfTypes } from './vectors.ts'

export const bedrockInvokeWire: ModelWire = {
  operation: 'invoke',
  stream: bedrockInvoke,
  isCall: () => true,
  readCall,
  readAnswer,
}

/** The same for models that embed; their streams do not exist. */
export const bedrockEmbeddingsWire: ModelWire = {
  operation: 'embeddings',
  isCall: () => true,
  readCall,
  readAnswer,
}

function readCall(body: JsonRecord, target: CallTarget): CallReading {
  const family = requests.find(({ matches }) => matches(body, target))
  return {
    messages: [],
    tools: [],
    ...family?.read(body, target),
    ...optional('model', bedrockModel(target)),
    streaming: target.path.endsWith('-stream'),
  }
}

function readAnswer(
  body: JsonRecord,
  target: CallTarget,
  headers: HeaderPairs = [],
): AnswerReading {
  const family = answers.find(({ matches }) => matches(body))
  const reading = family?.read(body, target) ?? { output: [otherPart(body)], toolCalls: [] }
  // The id that was called is the one that is priced; an opaque one says less than the answer.
  const { model, usage, ...rest } = reading
  const isOpaque = bedrockModel(target)?.startsWith('arn:') === true
  return {
    ...rest,
    ...(isOpaque ? optional('model', model) : {}),
    ...optional('usage', billed(usage, body, headers) ?? readInvokeUsage(body, headers)),
  }
}

/** Guardrails are billed apart, by what they assess; tiers have rates of their own. */
function billed(
  usage: ReportedUsage | undefined,
  body: JsonRecord,
  headers: HeaderPairs,
): ReportedUsage | undefined {
  if (usage === undefined || !(isGuarded(body) || isOfTier(headers))) return usage
  return { ...usage, billing: { ...usage.billing, isSpecial: true } }
}

interface RequestShape {
  readonly matches: (body: JsonRecord, target: CallTarget) => boolean
  readonly read: (body: JsonRecord, target: CallTarget) => Pick<CallReading, 'messages' | 'tools'>
}

const requests: readonly RequestShape[] = [
  {
    matches: (body) => typeof body['anthropic_version'] === 'string',
    read: (body, target) => anthropicMessagesWire.readCall(body, target),
  },
  {
    matches: (body) => Array.isArray(body['messages']) && hasUntypedBlocks(body['messages']),
    read: readConverseCall,
  },
  ownShape(openaiChatWire),
  {
    matches: (body) => typeof body['prompt'] === 'string',
    read: (body) => fromUser([textPart(body['prompt']), ...imageParts(body['images'])]),
  },
  {
    matches: (body) => body['inputText'] !== undefined || body['inputImage'] !== undefined,
    read: (body) =>
      fromUser([
        ...(body['inputText'] === undefined ? [] : [textPart(body['inputText'])]),
        ...imageParts(body['inputImage']),
      ]),
  },
  ownShape(cohereV1ChatWire),
  ownShape(cohereEmbedWire),
  ownShape(cohereRerankWire),
  {
    matches: (body) => typeof body['taskType'] === 'string',
    read: (body) => fromUser(taskParts(body)),
  },
]

function ownShape(wire: ModelWire): RequestShape {
  return {
    matches: (body, target) => wire.isCall(body, target),
    read: (body, target) => wire.readCall(body, target),
  }
}

/** Nova's content is a list of blocks without a `type`, as in Converse. */
function hasUntypedBlocks(messages: Json): boolean {
  return recordsOf(messages).some(
    ({ content }) =>
      Array.isArray(content) && content.every((block) => isRecord(block) && !('type' in block)),
  )
}

function fromUser(parts: readonly Part[]): { messages: ModelMessage[]; tools: [] } {
  return { messages: [{ role: 'user', parts }], tools: [] }
}

/** Image models of Amazon name a task, whose parameters stand under a key of its own. */
function taskParts(body: JsonRecord): Part[] {
  return Object.values(body).filter(isRecord).flatMap(parameterParts)
}

function parameterParts(parameters: JsonRecord): Part[] {
  const asked = [parameters['text'], parameters['prompt']].filter(isText)
  return [...asked.map(textPart), ...imageParts(parameters['image'] ?? parameters['images'])]
}

interface AnswerShape {
  readonly matches: (body: JsonRecord) => boolean
  readonly read: (body: JsonRecord, target: CallTarget) => AnswerReading
}

const answers: readonly AnswerShape[] = [
  {
    matches: (body) => Array.isArray(body['content']),
    read: (body, target) => anthropicMessagesWire.readAnswer(body, target),
  },
  {
    matches: (body) => typeof body['completion'] === 'string',
    read: (body, target) => anthropicCompleteWire.readAnswer(body, target),
  },
  { matches: (body) => isRecord(body['output']), read: readConverseAnswer },
  {
    matches: (body) => recordsOf(body['results']).some(({ outputText }) => isText(outputText)),
    read: readTitan,
  },
  { matches: (body) => typeof body['generation'] === 'string', read: readLlama },
  { matches: (body) => Array.isArray(body['outputs']), read: readOutputs },
  { matches: (body) => Array.isArray(body['completions']), read: readJurassic },
  {
    matches: (body) => recordsOf(body['choices']).some(({ text }) => isText(text)),
    read: (body, target) => withStopReason(openaiCompletionsWire.readAnswer(body, target), body),
  },
  {
    matches: (body) => Array.isArray(body['choices']),
    read: (body, target) => withStopReason(openaiChatWire.readAnswer(body, target), body),
  },
  { matches: (body) => Array.isArray(body['generations']), read: readGenerations },
  {
    matches: (body) => Array.isArray(body['embedding']),
    read: (body) => readVectors([body['embedding'] ?? null], body),
  },
  {
    matches: (body) => body['embeddings'] !== undefined,
    read: (body) => readVectors(vectorsOfTypes(body['embeddings']), body),
  },
  {
    matches: (body) => typeof body['text'] === 'string',
    read: (body, target) => cohereV1ChatWire.readAnswer(body, target),
  },
  {
    matches: (body) => Array.isArray(body['results']),
    read: (body, target) => cohereRerankWire.readAnswer(body, target),
  },
  {
    matches: (body) => Array.isArray(body['images']),
    read: (body) => ({ output: imageParts(body['images']), toolCalls: [] }),
  },
]

function readTitan(body: JsonRecord): AnswerReading {
  const results = recordsOf(body['results'])
  const counts = results.map((result) => countOf(result['tokenCount']))
  const output = counts.reduce<number | undefined>(
    (sum, count) => (sum === undefined || count === undefined ? undefined : sum + count),
    0,
  )
  return {
    ...texts(results.map(({ outputText }) => outputText)),
    ...optional('finishReason', textOf(results[0]?.['completionReason'])),
    ...counted(countOf(body['inputTextTokenCount']), output),
  }
}

function readLlama(body: JsonRecord): AnswerReading {
  return {
    ...texts([body['generation']]),
    ...optional('finishReason', textOf(body['stop_reason'])),
    ...counted(countOf(body['prompt_token_count']), countOf(body['generation_token_count'])),
  }
}

/** Mistral's text models. */
function readOutputs(body: JsonRecord): AnswerReading {
  const outputs = recordsOf(body['outputs'])
  return {
    ...texts(outputs.map(({ text }) => text)),
    ...optional('finishReason', textOf(outputs[0]?.['stop_reason'])),
  }
}

/** Jurassic, the first models of AI21. */
function readJurassic(body: JsonRecord): AnswerReading {
  const completions = recordsOf(body['completions'])
  return {
    ...texts(completions.map(({ data }) => recordOf(data)['text'])),
    ...optional('finishReason', textOf(recordOf(completions[0]?.['finishReason'])['reason'])),
  }
}

/** Mistral and DeepSeek name the reason otherwise than the format that they else follow. */
function withStopReason(reading: AnswerReading, body: JsonRecord): AnswerReading {
  const reason = textOf(recordsOf(body['choices'])[0]?.['stop_reason'])
  return reading.finishReason === undefined
    ? { ...reading, ...optional('finishReason', reason) }
    : reading
}

function readVectors(vectors: readonly Json[], body: JsonRecord): AnswerReading {
  return {
    output: vectorParts(vectors),
    toolCalls: [],
    ...counted(countOf(body['inputTextTokenCount']), 0),
  }
}

function texts(
  values: ReadonlyArray<Json | undefined>,
): Pick<AnswerReading, 'output' | 'toolCalls'> {
  return { output: values.filter(isText).map(textPart), toolCalls: [] }
}

function counted(
  input: number | undefined,
  output: number | undefined,
): Pick<AnswerReading, 'usage'> {
  return optional('usage', fromDisjoint({ input, output, isSpecial: false }))
}

function isText(value: Json | undefined): value is string {
  return typeof value === 'string'
}

function textPart(value: Json | undefined): Part {
  return { type: 'text', text: textOf(value) ?? '' }
}

/** One image or several, as base64. */
function imageParts(value: Json | undefined): Part[] {
  const images = isText(value) ? [value] : listOf(value)
  return images.map((image) => mediaFromBase64(image, 'image/*'))
}
